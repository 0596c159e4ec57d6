"""SPF, as a receiver would judge mail from one's own addresses (RFC 7208)."""

from __future__ import annotations

import pytest

from accounts.posture.spf import DnsTroubleError, SpfResult, check

ZONE = {
    ("d.test", "A"): ["192.0.2.1"],
    ("d.test", "AAAA"): ["2001:db8::1"],
    ("mail.d.test", "A"): ["192.0.2.10", "192.0.2.11"],
    ("d.test", "MX"): ["10 mail.d.test.", "20 other.d.test."],
    ("other.d.test", "A"): ["192.0.2.20"],
    ("inner.test", "TXT"): ["v=spf1 ip4:198.51.100.0/24 -all"],
    ("soft.test", "TXT"): ["v=spf1 ~all"],
    ("loop.test", "TXT"): ["v=spf1 include:loop.test -all"],
    ("me.d.test._spf.test", "A"): ["127.0.0.2"],
}


def verdict(record, address="192.0.2.1", *, sender="me@d.test", more=()):
    records = ZONE | dict(more)
    if record is not None:
        records["d.test", "TXT"] = ["other text", record]

    def look_up(name, kind):
        if name == "silent.test":
            raise DnsTroubleError("no answer")
        return records.get((name, kind), [])

    return check(address=address, sender=sender, helo="mail.d.test", look_up=look_up)


@pytest.mark.parametrize(
    ("record", "address", "result"),
    [
        (None, "192.0.2.1", SpfResult.NONE),
        ("v=spf1", "192.0.2.1", SpfResult.NEUTRAL),
        ("v=spf10 +all", "192.0.2.1", SpfResult.NONE),
        ("v=spf1 +all", "192.0.2.1", SpfResult.PASS),
        ("v=spf1 -all", "192.0.2.1", SpfResult.FAIL),
        ("v=spf1 ~all", "192.0.2.1", SpfResult.SOFTFAIL),
        ("v=spf1 ?all", "192.0.2.1", SpfResult.NEUTRAL),
        ("v=spf1 a -all", "192.0.2.1", SpfResult.PASS),
        ("v=spf1 a -all", "2001:db8::1", SpfResult.PASS),
        ("v=spf1 a -all", "192.0.2.2", SpfResult.FAIL),
        ("v=spf1 a/24 -all", "192.0.2.200", SpfResult.PASS),
        ("v=spf1 a//64 -all", "2001:db8::ffff", SpfResult.PASS),
        ("v=spf1 a/24//64 -all", "2001:db8::ffff", SpfResult.PASS),
        ("v=spf1 a:mail.d.test -all", "192.0.2.11", SpfResult.PASS),
        ("v=spf1 a:mail.d.test/31 -all", "192.0.2.10", SpfResult.PASS),
        ("v=spf1 mx -all", "192.0.2.20", SpfResult.PASS),
        ("v=spf1 mx -all", "192.0.2.21", SpfResult.FAIL),
        ("v=spf1 ip4:192.0.2.0/30 -all", "192.0.2.3", SpfResult.PASS),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8:1::1", SpfResult.PASS),
        ("v=spf1 ip6:2001:db8::/32 -all", "192.0.2.1", SpfResult.FAIL),
        ("v=spf1 include:inner.test -all", "198.51.100.7", SpfResult.PASS),
        ("v=spf1 include:inner.test ~all", "192.0.2.1", SpfResult.SOFTFAIL),
        ("v=spf1 include:soft.test -all", "192.0.2.1", SpfResult.FAIL),
        ("v=spf1 redirect=inner.test", "198.51.100.7", SpfResult.PASS),
        ("v=spf1 redirect=inner.test", "192.0.2.1", SpfResult.FAIL),
        ("v=spf1 redirect=inner.test +all", "192.0.2.1", SpfResult.PASS),
        ("v=spf1 exists:%{l}.%{d}._spf.test -all", "192.0.2.1", SpfResult.PASS),
        ("v=spf1 exp=why.test -all", "192.0.2.1", SpfResult.FAIL),
        ("v=spf1 ptr +all", "192.0.2.1", SpfResult.PASS),
        ("V=SPF1 A -ALL", "192.0.2.1", SpfResult.PASS),
    ],
)
def test_records_are_read_as_receivers_read_them(record, address, result):
    assert verdict(record, address).result is result


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 nonsense -all",
        "v=spf1 a/33 -all",
        "v=spf1 a: -all",
        "v=spf1 ip4:no -all",
        "v=spf1 ip4:2001:db8::1 -all",
        "v=spf1 include: -all",
        "v=spf1 include:nowhere.test -all",
        "v=spf1 redirect=nowhere.test",
        "v=spf1 redirect=a.test redirect=b.test",
        "v=spf1 include:loop.test -all",
        "v=spf1 exists:%{x}.test -all",
        "v=spf1 exists:%{l.test -all",
        "v=spf1 all:d.test",
        "v=spf1 " + " ".join(f"a:{letter}.d.test" for letter in "abc") + " -all",
        "v=spf1 " + " ".join(["include:inner.test"] * 11) + " -all",
    ],
)
def test_what_receivers_can_not_evaluate_is_a_permanent_error(record):
    found = verdict(record)
    assert found.result is SpfResult.PERMERROR
    assert found.why


def test_two_records_are_none_that_counts():
    assert verdict(
        None, more={("d.test", "TXT"): ["v=spf1 +all", "v=spf1 -all"]}.items()
    ).result is (SpfResult.PERMERROR)


def test_dns_that_is_silent_is_a_temporary_error():
    assert verdict("v=spf1 include:silent.test -all").result is SpfResult.TEMPERROR


def test_ten_look_ups_are_allowed():
    record = "v=spf1 " + " ".join(["include:inner.test"] * 10) + " +all"
    assert verdict(record).result is SpfResult.PASS


def test_the_verdict_names_the_term_that_decided():
    assert verdict("v=spf1 mx a -all").term == "a"
    assert verdict("v=spf1 mx -all", "203.0.113.1").term == "-all"


def test_a_bounce_is_judged_by_the_name_in_helo():
    more = {("mail.d.test", "TXT"): ["v=spf1 a -all"]}.items()
    assert verdict(None, "192.0.2.10", sender="", more=more).result is SpfResult.PASS


def test_macros_take_digits_reversal_and_delimiters():
    more = {("1.2.0.192.me.spf.test", "A"): ["127.0.0.1"]}.items()
    record = "v=spf1 exists:%{ir}.%{l1-}.spf.test -all"
    assert verdict(record, sender="me-you@d.test", more=more).result is SpfResult.FAIL
    record = "v=spf1 exists:%{ir}.%{l1r-}.spf.test -all"
    assert verdict(record, sender="me-you@d.test", more=more).result is SpfResult.PASS
