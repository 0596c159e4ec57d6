"""Whether the addresses that mail leaves from pass a domain's SPF record."""

from __future__ import annotations

import pytest

from accounts import outgoing
from accounts.lookup import NoAnswerError
from tests.delivery.routing import new_transport

pytestmark = pytest.mark.django_db

HOST = "mail.mailweb.test"


class Zone:
    """What is published."""

    def __init__(self, record):
        self.records = {
            ("mailweb.test", "TXT"): [record],
            (HOST, "A"): ["192.0.2.1"],
            (HOST, "AAAA"): ["2001:db8::1"],
        }

    def __call__(self, name, kind):
        if name == "silent.test":
            raise NoAnswerError("The look-up failed.")
        return self.records.get((name, kind), [])


def told(record, settings):
    settings.MAIL_HOSTNAME = HOST
    found = outgoing.verdicts("mailweb.test", Zone(record))
    return [(one.will_do, one.sentence) for one in found]


def test_this_machine_passes_by_its_name(settings):
    found = told(f"v=spf1 a:{HOST} -all", settings)
    assert [will_do for will_do, _ in found] == [True, True]
    assert found[0][1] == (f"SPF says pass for mail from 192.0.2.1 (this server) by a:{HOST}.")


def test_source_addresses_take_the_place_of_the_name(settings):
    settings.SMTP_SOURCE_ADDRESSES = ["192.0.2.7"]
    found = told(f"v=spf1 a:{HOST} -all", settings)
    assert [will_do for will_do, _ in found] == [False]
    assert found[0][1].endswith("by -all. Add ip4:192.0.2.7 to the record.")


def test_a_proxy_is_judged_by_the_addresses_it_is_seen_from(settings):
    new_transport(name="tor", kind="socks", hosts=["127.0.0.1"], exits=["198.51.100.7"])
    found = told(f"v=spf1 a:{HOST} -all", settings)
    assert [will_do for will_do, _ in found] == [True, True, False]
    assert "198.51.100.7 (transport “tor”)" in found[2][1]
    assert outgoing.extra_addresses() == ["198.51.100.7"]
    passing = told(f"v=spf1 a:{HOST} ip4:198.51.100.7 -all", settings)
    assert all(will_do for will_do, _ in passing)


def test_a_proxy_without_addresses_is_pointed_out(settings):
    new_transport(name="tor", kind="socks", hosts=["127.0.0.1"])
    assert told(f"v=spf1 a:{HOST} -all", settings)[-1][0] is False


def test_a_silent_dns_is_no_pass(settings):
    found = told("v=spf1 include:silent.test -all", settings)
    assert found[0][0] is False
    assert "temperror" in found[0][1]
