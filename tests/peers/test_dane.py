"""Scenarios 16 and 17: DANE for SMTP over real sockets (RFC 7672, RFC 7671, RFC 6698)."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from delivery.policy.facts import Dnssec, Proof, TlsaState
from delivery.policy.modes import Mode
from delivery.policy.outcome import Outcome, Result
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from tests.fakes.certificates import Authority, Leaf, self_signed
from tests.fakes.smtp_server import SmtpServer
from tests.peers.conftest import ROOT, Net, outcomes_of
from tests.peers.published import (
    LONG_AGO,
    MX,
    TLSA,
    ee,
    hold_policy,
    publish_tlsa,
    ta,
    tls_server,
)

PRIVATE = Authority("Private")
MIDDLE = PRIVATE.below("Middle")
ISSUING = MIDDLE.below("Issuing")
WRONG = "3 1 1 " + "00" * 32


async def sent(net: Net, **more) -> tuple[Outcome, frozenset[Proof]]:
    """Send one copy; return how it ended, and what the last session proved."""
    report = await net.send(**more)
    evidence = report.attempts[-1].evidence
    return outcomes_of(report)[0], evidence.tls.proofs if evidence else frozenset()


# Usage 3 (RFC 7672 §3.1.1)


@pytest.mark.parametrize(
    "leaf",
    [
        pytest.param(ROOT.leaf(MX), id="good"),
        pytest.param(self_signed(MX, until=LONG_AGO), id="expired"),
        pytest.param(self_signed("mx.other.test"), id="wrong-name"),
        pytest.param(self_signed(), id="nameless"),
    ],
)
async def test_scenario_16_dane_ee_looks_at_nothing_but_the_key(net: Net, leaf: Leaf):
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ee(leaf))
    outcome, proofs = await sent(net)
    assert outcome.result is Result.DELIVERED
    assert Proof.DANE_EE in proofs


def shown(leaf: Leaf, selector: int, matching: int) -> str:
    """Return the record of this kind that the certificate matches."""
    key = leaf.certificate.public_key()
    whole = (
        leaf.certificate.public_bytes(Encoding.DER)
        if selector == 0
        else key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    data = {0: whole, 1: hashlib.sha256(whole).digest(), 2: hashlib.sha512(whole).digest()}
    return f"3 {selector} {matching} {data[matching].hex()}"


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
async def test_every_selector_and_matching_type_is_understood(
    net: Net, selector: int, matching: int
):
    leaf = self_signed(MX)
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, shown(leaf, selector, matching))
    assert (await sent(net))[1] == {Proof.DANE_EE}


@pytest.mark.parametrize("record", [WRONG, "3 0 2 " + "11" * 64], ids=["of the key", "of all"])
async def test_scenario_16_wrong_digest_puts_mail_off_and_sends_nothing(net: Net, record: str):
    server = await net.serve(tls_server(net))
    publish_tlsa(net, record)
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.7.5")
    assert report.attempts[-1].stopped_by is Mechanism.DANE
    assert server.contents == []


async def test_old_and_new_record_together_let_a_key_roll_over(net: Net):
    leaf = self_signed(MX)
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, WRONG, ee(leaf))
    assert (await sent(net))[1] == {Proof.DANE_EE}


# Usage 2 (RFC 7672 §3.1.2)


async def test_scenario_16_dane_ta_with_two_intermediates(net: Net):
    await net.serve(tls_server(net, ISSUING.leaf(MX)))
    publish_tlsa(net, ta(PRIVATE))
    assert (await sent(net))[1] == {Proof.DANE_TA}


async def test_dane_ta_may_be_an_intermediate_whose_root_is_not_sent(net: Net):
    leaf = ISSUING.leaf(MX, sends=(ISSUING.certificate, MIDDLE.certificate))
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ta(MIDDLE))
    assert (await sent(net))[1] == {Proof.DANE_TA}


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        pytest.param(
            ISSUING.leaf("mx.other.test"), Reason.CERTIFICATE_HOST_MISMATCH, id="wrong-name"
        ),
        pytest.param(ISSUING.leaf(MX, until=LONG_AGO), Reason.CERTIFICATE_EXPIRED, id="expired"),
        pytest.param(
            MIDDLE.below("Old", until=LONG_AGO).leaf(MX),
            Reason.CERTIFICATE_EXPIRED,
            id="intermediate-expired",
        ),
        pytest.param(
            ISSUING.leaf(MX, sends=(ISSUING.certificate,)),
            Reason.VALIDATION_FAILURE,
            id="authority-not-sent",
        ),
    ],
)
async def test_dane_ta_checks_path_dates_and_names(net: Net, leaf: Leaf, reason: Reason):
    server = await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ta(PRIVATE))
    outcome, _ = await sent(net)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, reason)
    assert server.contents == []


async def test_leaf_is_never_its_own_trust_anchor(net: Net):
    leaf = self_signed(MX)
    digest = hashlib.sha256(leaf.certificate.public_bytes(Encoding.DER)).hexdigest()
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, f"2 0 1 {digest}")
    assert (await sent(net))[0].result is Result.DEFERRED


# Names (RFC 7672 §3.2.2): the TLSA base, the host, the domain, and what the domain is an alias of


@pytest.mark.parametrize(
    ("name", "result"),
    [
        (MX, Result.DELIVERED),
        ("d.test", Result.DELIVERED),
        ("*.d.test", Result.DELIVERED),
        ("other.test", Result.DEFERRED),
    ],
)
async def test_dane_ta_certificate_may_name_host_or_domain(net: Net, name: str, result: Result):
    await net.serve(tls_server(net, ISSUING.leaf(name)))
    publish_tlsa(net, ta(PRIVATE))
    assert (await sent(net))[0].result is result


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("target.test", Result.DELIVERED),
        ("d.test", Result.DELIVERED),
        ("other.test", Result.DEFERRED),
    ],
)
async def test_dane_ta_certificate_may_name_what_the_domain_is_an_alias_of(
    net: Net, name: str, result: Result
):
    await net.serve(tls_server(net, ISSUING.leaf(name)))
    publish_tlsa(net, ta(PRIVATE))
    net.resolver.secure = ("d.test", "target.test")
    net.resolver.records["MX target.test"] = net.resolver.records.pop("MX d.test")
    net.resolver.records["CNAME d.test"] = ("target.test",)
    assert (await sent(net))[0].result is result


# What the records are not (RFC 7672 §2.2, §3.1.3)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(ta(ROOT, usage=0), id="usage-0"),
        pytest.param(ee(ROOT.leaf(MX)).replace("3", "1", 1), id="usage-1"),
        pytest.param("3 1 9 00", id="unknown-digest"),
        pytest.param("3 7 1 " + "00" * 32, id="unknown-selector"),
        pytest.param("3 1 1 00", id="digest-too-short"),
    ],
)
async def test_scenario_16_only_unusable_records_mean_tls_that_proves_nobody(net: Net, record: str):
    server = await net.serve(tls_server(net, self_signed("mx.other.test")))
    publish_tlsa(net, record)
    outcome, proofs = await sent(net)
    assert (outcome.result, proofs) == (Result.DELIVERED, frozenset())
    assert server.conversations[0].is_tls


@pytest.mark.parametrize("replies", [None, {"STARTTLS": "502 5.5.1 what?"}])
async def test_scenario_16_only_unusable_records_still_forbid_plain_text(net: Net, replies):
    server = await net.serve(SmtpServer(replies))
    publish_tlsa(net, ta(ROOT, usage=0))
    assert (await sent(net))[0].result is Result.DEFERRED
    assert server.contents == []


async def test_unusable_record_beside_a_usable_one_changes_nothing(net: Net):
    leaf = self_signed(MX)
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ta(ROOT, usage=0), WRONG)
    assert (await sent(net))[0].result is Result.DEFERRED
    publish_tlsa(net, ta(ROOT, usage=0), ee(leaf))
    net.clock.advance(timedelta(hours=1))
    assert (await sent(net))[0].result is Result.DELIVERED


@pytest.mark.parametrize("record", [ta(ROOT, usage=0), WRONG], ids=["unusable", "no match"])
async def test_requiretls_does_not_rest_on_records_that_prove_nothing(net: Net, record: str):
    await net.serve(tls_server(net, announces_tls=("REQUIRETLS",)))
    publish_tlsa(net, record)
    report = await net.send(mode=Mode.REQUIRETLS)
    assert outcomes_of(report)[0].result is not Result.DELIVERED


# What DNS says (RFC 7672 §2.1)


@pytest.mark.parametrize("how", ["failing", "silent", "bogus"])
async def test_scenario_16_no_answer_about_tlsa_skips_the_host(net: Net, how: str):
    # Trap 15.
    first = await net.serve(tls_server(net))
    second = tls_server(net, ROOT.leaf("b.d.test"), address="127.0.0.2")
    await net.serve(second, mx="20 b.d.test")
    publish_tlsa(net)
    getattr(net.resolver, how).add(TLSA)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert (first.conversations, len(second.contents)) == ([], 1)
    assert report.attempts[0].stopped_by is Mechanism.DANE


async def test_scenario_16_no_answer_about_any_tlsa_puts_mail_off(net: Net):
    server = await net.serve(tls_server(net))
    publish_tlsa(net)
    net.resolver.failing.add(TLSA)
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, Reason.TLSA_INVALID)
    assert server.conversations == []


async def test_scenario_16_unsigned_records_leave_tls_opportunistic(net: Net):
    # Trap 14: what anybody could have written asks for nothing, and proves nothing.
    server = await net.serve(SmtpServer())
    net.resolver.records[TLSA] = (WRONG,)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert TLSA not in net.resolver.asked
    assert len(server.contents) == 1


async def test_scenario_16_wildcard_address_is_no_tlsa_record(net: Net):
    await net.serve(SmtpServer())
    publish_tlsa(net)
    net.resolver.records["A _25._tcp.mx.d.test"] = ("127.0.0.1",)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert report.facts.hosts[0].tlsa_state is TlsaState.ABSENT


async def test_records_are_asked_for_at_port_25_whatever_port_is_used(net: Net):
    leaf = self_signed(MX)
    await net.serve(tls_server(net, leaf))
    assert net.port != 25
    publish_tlsa(net, ee(leaf))
    await sent(net)
    assert [asked for asked in net.resolver.asked if asked.startswith("TLSA")] == [TLSA]


# Aliases (RFC 7672 §2.2.2, RFC 7671 §7)


async def test_scenario_17_signed_alias_to_an_unsigned_host_has_records_at_the_alias(net: Net):
    leaf = self_signed(MX)
    server = await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ee(leaf))
    net.resolver.records["A host.far.test"] = net.resolver.records.pop(f"A {MX}")
    net.resolver.records[f"CNAME {MX}"] = ("host.far.test",)
    net.resolver.records["TLSA _25._tcp.host.far.test"] = (WRONG,)
    for _ in range(3):  # the verdict must not depend on which answer came first
        net.clock.advance(timedelta(hours=1))
        outcome, proofs = await sent(net)
        assert (outcome.result, proofs) == (Result.DELIVERED, frozenset({Proof.DANE_EE}))
    assert server.conversations[0].sni == MX


async def test_scenario_17_unsigned_alias_of_the_records_asks_for_nothing(net: Net):
    await net.serve(SmtpServer())
    publish_tlsa(net)
    del net.resolver.records[TLSA]
    net.resolver.records["CNAME _25._tcp.mx.d.test"] = ("dane.far.test",)
    net.resolver.records["TLSA dane.far.test"] = (WRONG,)
    assert (await sent(net))[0].result is Result.DELIVERED


async def test_scenario_17_signed_alias_of_the_records_is_followed(net: Net):
    leaf = self_signed(MX)
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net)
    del net.resolver.records[TLSA]
    net.resolver.records["CNAME _25._tcp.mx.d.test"] = ("dane.d.test",)
    net.resolver.records["TLSA dane.d.test"] = (ee(leaf),)
    assert (await sent(net))[1] == {Proof.DANE_EE}


# DANE and MTA-STS (RFC 8461 §2)


async def test_mta_sts_that_is_met_does_not_rescue_dane_that_is_not(net: Net):
    # Trap 12.
    server = await net.serve(tls_server(net))
    publish_tlsa(net, WRONG)
    hold_policy(net)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert report.attempts[-1].stopped_by is Mechanism.DANE
    assert server.contents == []


async def test_dane_that_is_met_outranks_mta_sts_that_is_not(net: Net):
    leaf = self_signed("mx.other.test")
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ee(leaf))
    hold_policy(net, "other.d.test")
    assert (await sent(net))[0].result is Result.DELIVERED


async def test_mta_sts_counts_where_the_records_can_not_be_used(net: Net):
    server = await net.serve(tls_server(net, self_signed(MX)))
    publish_tlsa(net, ta(ROOT, usage=0))
    hold_policy(net)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert report.attempts[-1].stopped_by is Mechanism.MTA_STS
    assert server.contents == []


async def test_domain_without_mx_has_dane_at_its_own_name(net: Net):
    # Trap 18: a signed "there is no MX" is as good as an MX.
    leaf = self_signed("d.test")
    await net.serve(tls_server(net, leaf), mx="0 d.test")
    del net.resolver.records["MX d.test"]
    publish_tlsa(net, ee(leaf), name="TLSA _25._tcp.d.test")
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert (report.facts.is_implicit_mx, report.facts.dnssec) == (True, Dnssec.SECURE)
    evidence = report.attempts[-1].evidence
    assert evidence is not None
    assert evidence.tls.proofs == {Proof.DANE_EE}
