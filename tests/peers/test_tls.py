"""TLS: what is tried, what is recorded, and what keeps a message from leaving."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from datetime import timedelta
from typing import cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from delivery.agent.policy_fetch import StoredPolicy
from delivery.agent.roots import trusted_roots
from delivery.agent.tls import client_context, examine
from delivery.policy.certificates import public_key_info
from delivery.policy.facts import HostFacts, Proof, Starttls, StsMode, TlsaState, TlsEvidence
from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.outcome import Result
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from tests.fakes.certificates import START, Authority, Leaf, self_signed
from tests.fakes.clock import FakeClock
from tests.fakes.smtp_server import Say, SmtpServer, context_of
from tests.peers.conftest import CONTENT, ROOT, Net, outcomes_of

MX = "mx.d.test"
TLSA = "TLSA _25._tcp.mx.d.test"
PAST = START + timedelta(days=30)
PIPELINED = ("PIPELINING", "8BITMIME")


def tls_server(net: Net, leaf: Leaf | None = None, replies=None, **more) -> SmtpServer:
    path = str(net.directory / f"leaf-{len(list(net.directory.iterdir()))}.pem")
    at_most = more.pop("at_most", None)
    context = context_of(leaf or ROOT.leaf(MX), path, at_most=at_most)
    return SmtpServer(replies, context=context, **more)


def publish_tlsa(net: Net, *records: str) -> None:
    net.resolver.secure = ("d.test",)
    net.resolver.records[TLSA] = records


def ee(leaf: Leaf) -> str:
    return "3 1 1 " + hashlib.sha256(public_key_info(leaf.certificate)).hexdigest()


def ta(authority: Authority) -> str:
    der = authority.certificate.public_bytes(Encoding.DER)
    return "2 0 1 " + hashlib.sha256(der).hexdigest()


def hold_policy(net: Net, mode: StsMode = StsMode.ENFORCE, *mx: str) -> None:
    now = net.clock.now()
    net.resolver.records["TXT _mta-sts.d.test"] = ("v=STSv1; id=1",)
    net.policies.kept["d.test"] = StoredPolicy(
        domain="d.test",
        mode=mode,
        fetched_at=now,
        expires_at=now + timedelta(days=7),
        policy_id="1",
        mx=mx or (MX,),
    )


async def shown(net: Net, **more) -> TlsEvidence:
    """Send, and return what the last session showed."""
    report = await net.send(**more)
    evidence = report.attempts[-1].evidence
    assert evidence is not None
    return evidence.tls


# What is recorded


async def test_good_certificate_is_recorded_as_proof(net: Net):
    leaf = ROOT.leaf(MX, common_name=MX)
    server = await net.serve(tls_server(net, leaf))
    tls = await shown(net)
    assert (tls.starttls, tls.version, tls.reason) == (
        Starttls.OFFERED,
        "TLSv1.3",
        Reason.NONE,
    )
    assert tls.cipher.startswith("TLS_")
    assert tls.proofs == {Proof.PKIX}
    assert tls.certificate is not None
    assert (tls.certificate.subject, tls.certificate.names) == (f"CN={MX}", (MX,))
    der = leaf.certificate.public_bytes(Encoding.DER)
    assert tls.certificate.fingerprint == hashlib.sha256(der).hexdigest()
    assert server.conversations[0].sni == MX


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        pytest.param(self_signed(MX), Reason.CERTIFICATE_NOT_TRUSTED, id="self-signed"),
        pytest.param(ROOT.leaf("x.test"), Reason.CERTIFICATE_HOST_MISMATCH, id="wrong name"),
        pytest.param(ROOT.leaf(common_name=MX), Reason.CERTIFICATE_HOST_MISMATCH, id="CN only"),
        pytest.param(ROOT.leaf(MX, until=PAST), Reason.CERTIFICATE_EXPIRED, id="expired"),
    ],
)
async def test_bad_certificate_is_recorded_and_stops_nobody_who_did_not_ask(
    net: Net, leaf: Leaf, reason: Reason
):
    server = await net.serve(tls_server(net, leaf))
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    evidence = report.attempts[0].evidence
    assert evidence is not None
    tls = evidence.tls
    assert (tls.starttls, tls.reason, tls.pkix_reason, tls.proofs) == (
        Starttls.OFFERED,
        reason,
        reason,
        frozenset(),
    )
    assert tls.detail
    assert server.conversations[0].is_tls


async def test_not_offered_and_offered_but_broken_are_different_facts(net: Net):
    # Trap 2.
    await net.serve(SmtpServer())
    assert (await shown(net)).starttls is Starttls.NOT_OFFERED
    await net.serve(
        tls_server(net, replies={"STARTTLS": Say("220 go on", "close")}, address="127.0.0.2"),
        domain="broken.test",
        mx="10 mx.broken.test",
    )
    assert (await shown(net, domain="broken.test")).starttls is Starttls.FAILED


async def test_pkix_and_dane_are_both_worked_out(net: Net):
    leaf = self_signed(MX)
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ee(leaf))
    tls = await shown(net)
    assert tls.proofs == {Proof.DANE_EE}
    assert (tls.reason, tls.dane_reason, tls.pkix_reason) == (
        Reason.NONE,
        Reason.NONE,
        Reason.CERTIFICATE_NOT_TRUSTED,
    )


async def test_requiretls_counts_only_over_tls(net: Net):
    await net.serve(tls_server(net, announces=(*PIPELINED, "REQUIRETLS"), announces_tls=PIPELINED))
    evidence = (await net.send()).attempts[0].evidence
    assert evidence is not None
    assert not evidence.offers_requiretls
    assert "REQUIRETLS" not in evidence.extensions


async def test_what_was_announced_in_clear_text_is_forgotten(net: Net):
    # Scenario 9: RFC 3207 §4.2.
    server = await net.serve(
        tls_server(
            net, announces=(*PIPELINED, "SIZE 1", "LIMITS RCPTMAX=1"), announces_tls=PIPELINED
        )
    )
    report = await net.send("bob@d.test", "charlie@d.test")
    assert [outcome.result for outcome in outcomes_of(report)] == [Result.DELIVERED] * 2
    assert server.contents == [CONTENT]
    assert "SIZE" not in server.conversations[0].lines[3]


async def test_transcript_says_where_tls_began(net: Net):
    await net.serve(tls_server(net))
    transcript = (await net.send()).attempts[0].transcript
    lines = transcript.splitlines()
    at = lines.index("C: STARTTLS")
    assert lines[at + 1] == "S: 220 go on"
    assert lines[at + 2].startswith("*: TLSv1.3 TLS_")
    assert lines[at + 3] == "C: EHLO mail.mailweb.test"


class DamagedConnection:
    """A finished handshake with a certificate that nobody can read."""

    def cipher(self) -> tuple[str, str, int]:
        return ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128)

    def version(self) -> str:
        return "TLSv1.3"

    def getpeercert(self, *, binary_form: bool) -> bytes:
        return b"not a certificate"


@pytest.mark.parametrize("tlsa_state", [TlsaState.USABLE, TlsaState.ABSENT])
def test_certificate_that_cannot_be_read_proves_nothing_and_breaks_nothing(tlsa_state: TlsaState):
    host = HostFacts(name=MX, preference=10, tlsa_state=tlsa_state)
    tls = examine(
        cast("ssl.SSLObject", DamagedConnection()),
        host,
        is_in_sts_policy=True,
        roots=trusted_roots(""),
        now=FakeClock().now(),
    )
    assert (tls.version, tls.proofs, tls.certificate) == ("TLSv1.3", frozenset(), None)
    assert tls.pkix_reason is Reason.CERTIFICATE_NOT_TRUSTED
    has_dane = tlsa_state is TlsaState.USABLE
    assert tls.dane_reason is (Reason.VALIDATION_FAILURE if has_dane else Reason.NONE)


def test_contexts_are_made_once():
    assert client_context() is client_context()
    assert client_context().minimum_version is ssl.TLSVersion.TLSv1_2


# TLS that fails, where nobody demands it


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param({"STARTTLS": Say("220 go on", "close")}, id="closes"),
        pytest.param({"STARTTLS": Say("220 go on", "reset")}, id="resets"),
        pytest.param({"STARTTLS": Say(then="close")}, id="closes instead of a reply"),
        pytest.param({"STARTTLS": "220 go on\n250 injected"}, id="injects clear text"),
    ],
)
async def test_broken_handshake_is_tried_with_tls_1_2_and_then_in_plain_text(net: Net, replies):
    # Scenario 13.
    server = await net.serve(tls_server(net, replies=replies))
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    states = [
        (attempt.evidence.tls.starttls, attempt.evidence.tls.reason)
        for attempt in report.attempts
        if attempt.evidence
    ]
    assert states == [(Starttls.FAILED, Reason.VALIDATION_FAILURE)] * 3
    assert [attempt.stopped_by for attempt in report.attempts] == [Mechanism.NONE] * 3
    assert "STARTTLS" not in server.conversations[2].verbs


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_server_that_leaves_right_after_the_handshake_refused_tls(net: Net, then: str):
    # Scenario 12: TLS 1.3 servers refuse where the first answer should come.
    leaving = ["250-mx.test\n250 STARTTLS", Say(then=then)]
    server = await net.serve(tls_server(net, replies={"EHLO": leaving}))
    report = await net.send(order=Order(sender=SenderPolicy(allows_plain_text=False)))
    assert outcomes_of(report)[0].result is Result.DEFERRED
    evidence = report.attempts[0].evidence
    assert evidence is not None
    assert (evidence.tls.starttls, report.attempts[0].stopped_by) == (
        Starttls.FAILED,
        Mechanism.TLS,
    )
    assert server.conversations[0].is_tls


def asks_for_a_certificate(net: Net, **more) -> SmtpServer:
    """A server that the client knows nothing to show to: in TLS 1.3 it says so too late."""
    server = tls_server(net, **more)
    assert server.context is not None
    server.context.load_verify_locations(str(net.ca_file))
    server.context.verify_mode = ssl.CERT_REQUIRED
    return server


@pytest.mark.parametrize("allows", [True, False], ids=["may be plain", "may not"])
async def test_late_alert_after_the_handshake_follows_the_rules_for_broken_tls(
    net: Net, allows: bool
):
    # Scenario 12: the handshake is done for the client when the alert arrives.
    server = await net.serve(asks_for_a_certificate(net))
    report = await net.send(order=Order(sender=SenderPolicy(allows_plain_text=allows)))
    evidence = [attempt.evidence for attempt in report.attempts]
    assert {one.tls.starttls for one in evidence if one} == {Starttls.FAILED}
    assert all(evidence)
    assert (outcomes_of(report)[0].result is Result.DELIVERED) is allows
    # TLS 1.3, then TLS 1.2, and plain text last, where it may be.
    assert len(server.conversations) == (3 if allows else 2)
    assert "STARTTLS" in server.conversations[1].verbs
    assert len(server.contents) == allows


async def test_late_alert_never_leads_to_plain_text_where_a_policy_is_enforced(net: Net):
    server = await net.serve(asks_for_a_certificate(net))
    hold_policy(net)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert {attempt.stopped_by for attempt in report.attempts} == {Mechanism.MTA_STS}
    assert server.contents == []


PATIENCE = 0.01
"""A server's seconds in a test, and our patience with it."""


@pytest.mark.parametrize("lines", [1, 60_000], ids=["small", "large"])
@pytest.mark.parametrize("chunking", [(), ("CHUNKING",)], ids=["DATA", "BDAT"])
async def test_slow_server_gets_the_message_once(net: Net, chunking: tuple[str, ...], lines: int):
    # Scenario 11: 35 seconds after the EHLO over TLS, 90 seconds after the end of the content.
    net.time_scale = PATIENCE
    hello = "250-mx.test\n250-PIPELINING\n250 8BITMIME"
    if chunking:
        hello = hello.replace("250 8", "250-8") + "\n250 CHUNKING"
    replies = {
        "EHLO": ["250-mx.test\n250 STARTTLS", Say(hello, after=35 * PATIENCE)],
        ".": Say("250 2.0.0 taken", after=90 * PATIENCE),
    }
    server = await net.serve(tls_server(net, replies=replies))
    content = CONTENT + (b"x" * 70 + b"\r\n") * lines
    report = await net.send(content=content)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert len(report.attempts) == len(server.conversations) == 1
    assert server.contents == [content]


async def test_silence_right_after_the_handshake_is_not_blamed_on_tls(net: Net):
    net.time_scale = 0.005
    silent = ["250-mx.test\n250 STARTTLS", Say(then="silence")]
    await net.serve(tls_server(net, replies={"EHLO": silent}))
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.2")
    assert report.attempts[0].evidence is None


async def test_more_careful_try_is_limited_to_tls_1_2(net: Net):
    broken_once = [Say("220 go on", "close"), "220 go on"]
    server = await net.serve(tls_server(net, replies={"STARTTLS": broken_once}))
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.conversations[1].tls_version == "TLSv1.2"
    evidence = report.attempts[1].evidence
    assert evidence is not None
    assert evidence.tls.version == "TLSv1.2"


async def test_refused_starttls_goes_on_in_the_same_session(net: Net):
    server = await net.serve(tls_server(net, replies={"STARTTLS": "454 4.7.0 not now"}))
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert len(server.conversations) == 1
    evidence = report.attempts[0].evidence
    assert evidence is not None
    assert (evidence.tls.starttls, evidence.tls.reason, evidence.tls.detail) == (
        Starttls.FAILED,
        Reason.STARTTLS_NOT_SUPPORTED,
        "454 4.7.0 not now",
    )


async def test_injected_clear_text_is_never_read_as_if_it_came_over_tls(net: Net):
    # CVE-2011-0411 and its kin.
    server = await net.serve(
        tls_server(net, replies={"STARTTLS": "220 go on\n250-evil\n250 REQUIRETLS"})
    )
    report = await net.send(order=Order(sender=SenderPolicy(allows_plain_text=False)))
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, Reason.VALIDATION_FAILURE)
    assert not any(talk.is_tls or talk.contents for talk in server.conversations)


# Who insists


async def test_account_that_allows_no_plain_text_sends_none(net: Net):
    server = await net.serve(SmtpServer())
    report = await net.send(order=Order(sender=SenderPolicy(allows_plain_text=False)))
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.7.10")
    assert report.attempts[0].stopped_by is Mechanism.TLS
    assert server.conversations[0].verbs[0] == "EHLO"
    assert "MAIL" not in server.conversations[0].verbs


async def test_helo_is_no_way_around_a_demand(net: Net):
    server = await net.serve(SmtpServer({"EHLO": "502 5.5.1 what?"}))
    report = await net.send(order=Order(sender=SenderPolicy(allows_plain_text=False)))
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, Reason.STARTTLS_NOT_SUPPORTED)
    assert server.conversations[0].verbs[:2] == ["EHLO", "HELO"]
    assert "MAIL" not in server.conversations[0].verbs


async def test_broken_handshake_is_never_bypassed_where_tls_is_demanded(net: Net):
    replies = {"STARTTLS": Say("220 go on", "close")}
    server = await net.serve(tls_server(net, replies=replies))
    report = await net.send(order=Order(sender=SenderPolicy(allows_plain_text=False)))
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert len(server.conversations) == len(report.attempts) == 2
    assert {attempt.stopped_by for attempt in report.attempts} == {Mechanism.TLS}


async def test_dane_that_matches_is_enough_whatever_the_certificate_says(net: Net):
    # Scenario 16: expired and wrong name do not matter to DANE-EE.
    leaf = self_signed("other.test", until=PAST)
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ee(leaf))
    report = await net.send(mode=Mode.VERIFIED)
    assert outcomes_of(report)[0].result is Result.DELIVERED


async def test_dane_ta_with_two_intermediates_is_enough(net: Net):
    anchor = Authority("Private")
    leaf = anchor.below("One").below("Two").leaf(MX)
    await net.serve(tls_server(net, leaf))
    publish_tlsa(net, ta(anchor))
    assert (await shown(net, mode=Mode.VERIFIED)).proofs == {Proof.DANE_TA}


async def test_dane_ta_may_name_the_recipient_domain(net: Net):
    anchor = Authority("Private")
    await net.serve(tls_server(net, anchor.leaf("d.test")))
    publish_tlsa(net, ta(anchor))
    assert (await shown(net)).proofs == {Proof.DANE_TA}


async def test_dane_that_does_not_match_stops_the_mail(net: Net):
    server = await net.serve(tls_server(net))
    publish_tlsa(net, "3 1 1 " + "00" * 32)
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.enhanced, outcome.reason) == (
        Result.DEFERRED,
        "4.7.5",
        Reason.VALIDATION_FAILURE,
    )
    assert report.attempts[0].stopped_by is Mechanism.DANE
    assert server.contents == []


async def test_mta_sts_does_not_rescue_a_failed_dane(net: Net):
    # Trap 12.
    await net.serve(tls_server(net))
    hold_policy(net)
    publish_tlsa(net, "3 1 1 " + "00" * 32)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DEFERRED
    evidence = report.attempts[0].evidence
    assert evidence is not None
    assert evidence.tls.proofs == {Proof.STS_PKIX}


async def test_unusable_tlsa_means_tls_without_proof(net: Net):
    # Trap 16: neither failure nor plain text.
    server = await net.serve(tls_server(net, self_signed(MX)))
    publish_tlsa(net, "1 1 1 " + "00" * 32)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.conversations[0].is_tls
    evidence = report.attempts[0].evidence
    assert evidence is not None
    assert evidence.tls.reason is Reason.TLSA_INVALID


async def test_unusable_tlsa_still_forbids_plain_text(net: Net):
    server = await net.serve(SmtpServer())
    publish_tlsa(net, "1 1 1 " + "00" * 32)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert report.attempts[0].stopped_by is Mechanism.DANE
    assert server.contents == []


async def test_unanswered_tlsa_defers_and_connects_to_nobody(net: Net):
    # Trap 15.
    server = await net.serve(tls_server(net))
    publish_tlsa(net)
    net.resolver.failing.add(TLSA)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert report.attempts[0].stopped_by is Mechanism.DANE
    assert server.conversations == []


async def test_unanswered_tlsa_of_one_host_leaves_the_other(net: Net):
    await net.serve(tls_server(net))
    spare = await net.serve(
        tls_server(net, ROOT.leaf("b.d.test"), address="127.0.0.2"), mx="20 b.d.test"
    )
    publish_tlsa(net)
    net.resolver.failing.add(TLSA)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert len(spare.contents) == 1


async def test_dane_asks_for_the_base_domain_in_sni(net: Net):
    leaf = self_signed("real.d.test")
    server = await net.serve(tls_server(net, leaf))
    net.resolver.records.pop(f"A {MX}")
    net.resolver.records |= {
        f"CNAME {MX}": ("real.d.test",),
        "A real.d.test": ("127.0.0.1",),
        "TLSA _25._tcp.real.d.test": (ee(leaf),),
    }
    net.resolver.secure = ("d.test",)
    assert (await shown(net)).proofs == {Proof.DANE_EE}
    assert server.conversations[0].sni == "real.d.test"


# MTA-STS (scenario 14)


async def test_enforced_policy_that_is_met_is_proof(net: Net):
    await net.serve(tls_server(net))
    hold_policy(net)
    assert (await shown(net, mode=Mode.VERIFIED)).proofs == {Proof.STS_PKIX}


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        pytest.param(
            ROOT.leaf(MX, until=PAST), Reason.CERTIFICATE_EXPIRED, id="expired certificate"
        ),
        pytest.param(
            ROOT.leaf("d.test"), Reason.CERTIFICATE_HOST_MISMATCH, id="recipient domain instead"
        ),
        pytest.param(self_signed(MX), Reason.CERTIFICATE_NOT_TRUSTED, id="self-signed"),
    ],
)
async def test_enforced_policy_stops_mail_to_a_bad_certificate(
    net: Net, leaf: Leaf, reason: Reason
):
    server = await net.serve(tls_server(net, leaf))
    hold_policy(net)
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, reason)
    assert report.attempts[0].stopped_by is Mechanism.MTA_STS
    assert server.contents == []


async def test_enforced_policy_stops_mail_to_a_host_it_does_not_name(net: Net):
    server = await net.serve(tls_server(net))
    hold_policy(net, StsMode.ENFORCE, "other.d.test")
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert report.attempts[0].stopped_by is Mechanism.MTA_STS
    assert server.conversations == []


@pytest.mark.parametrize("reply", ["454 4.7.0 not now", "502 5.5.1 what?"])
async def test_enforced_policy_stops_mail_where_starttls_is_refused_but_only_for_now(
    net: Net, reply: str
):
    server = await net.serve(tls_server(net, replies={"STARTTLS": reply}))
    hold_policy(net)
    assert outcomes_of(await net.send())[0].result is Result.DEFERRED
    assert server.contents == []


async def test_policy_in_testing_is_recorded_and_not_enforced(net: Net):
    # Trap 9.
    await net.serve(tls_server(net, self_signed(MX)))
    hold_policy(net, StsMode.TESTING)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert report.facts.sts.mode is StsMode.TESTING


async def test_dropping_a_demand_for_one_domain_leaves_the_next_alone(net: Net):
    # Trap 3.
    await net.serve(tls_server(net, self_signed(MX)))
    hold_policy(net)
    optional = await net.send(mode=Mode.OPTIONAL)
    default = await net.send()
    assert outcomes_of(optional)[0].result is Result.DELIVERED
    assert outcomes_of(default)[0].result is Result.DEFERRED


# TLS optional


@pytest.mark.parametrize("how", ["mx mismatch", "expired", "refused", "dane mismatch", "no tlsa"])
async def test_tls_optional_overrides_every_published_policy(net: Net, how: str):
    replies = {"STARTTLS": "502 what?"} if how == "refused" else None
    leaf = ROOT.leaf(MX, until=PAST) if how == "expired" else None
    server = await net.serve(tls_server(net, leaf, replies=replies))
    hold_policy(net, StsMode.ENFORCE, "other.d.test" if how == "mx mismatch" else MX)
    if how == "dane mismatch":
        publish_tlsa(net, "3 1 1 " + "00" * 32)
    if how == "no tlsa":
        publish_tlsa(net)
        net.resolver.failing.add(TLSA)
    report = await net.send(mode=Mode.OPTIONAL)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.contents == [b"TLS-Required: No\r\n" + CONTENT]


async def test_pledge_of_verified_tls_is_a_floor_under_tls_optional(net: Net):
    server = await net.serve(SmtpServer())
    order = Order(mode=Mode.OPTIONAL, pledge=PledgeKind.VERIFIED)
    report = await net.send(order=order)
    assert outcomes_of(report)[0].result is not Result.DELIVERED
    assert server.contents == []


# REQUIRETLS (scenario 18)

REQUIRETLS = (*PIPELINED, "REQUIRETLS")


async def test_requiretls_is_sent_as_a_parameter_and_recorded(net: Net):
    leaf = ROOT.leaf(MX)
    server = await net.serve(tls_server(net, leaf, announces_tls=REQUIRETLS))
    publish_tlsa(net, ee(leaf))
    report = await net.send(mode=Mode.REQUIRETLS)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.conversations[0].lines[3].endswith(" REQUIRETLS")
    assert report.attempts[0].requiretls_used


async def test_requiretls_without_a_policy_fails_at_once(net: Net):
    # Trap 6: an authenticated MX is needed, not only the keyword.
    server = await net.serve(tls_server(net, announces_tls=REQUIRETLS))
    (outcome,) = outcomes_of(await net.send(mode=Mode.REQUIRETLS))
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.7.30")
    assert server.conversations == []


async def test_requiretls_that_no_host_announces_fails_at_once(net: Net):
    # Trap 5: enforced, not "sent if offered".
    one = await net.serve(tls_server(net))
    two = await net.serve(
        tls_server(net, ROOT.leaf("b.d.test"), address="127.0.0.2"), mx="20 b.d.test"
    )
    hold_policy(net, StsMode.ENFORCE, "*.d.test")
    (outcome,) = outcomes_of(await net.send(mode=Mode.REQUIRETLS))
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.7.30")
    assert one.contents == two.contents == []
    assert len(one.conversations) == len(two.conversations) == 1


async def test_requiretls_waits_while_one_host_cannot_be_asked(net: Net):
    await net.serve(tls_server(net))
    net.name("20 down.d.test", "127.0.0.9")
    hold_policy(net, StsMode.ENFORCE, "*.d.test")
    (outcome,) = outcomes_of(await net.send(mode=Mode.REQUIRETLS))
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.1")


async def test_requiretls_goes_to_the_host_that_announces_it(net: Net):
    await net.serve(tls_server(net))
    able = tls_server(net, ROOT.leaf("b.d.test"), announces_tls=REQUIRETLS, address="127.0.0.2")
    await net.serve(able, mx="20 b.d.test")
    hold_policy(net, StsMode.ENFORCE, "*.d.test")
    report = await net.send(mode=Mode.REQUIRETLS)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert len(able.contents) == 1


async def test_requiretls_message_never_falls_back_to_plain_text(net: Net):
    replies = {"STARTTLS": Say("220 go on", "close")}
    server = await net.serve(tls_server(net, replies=replies, announces_tls=REQUIRETLS))
    hold_policy(net)
    report = await net.send(mode=Mode.REQUIRETLS)
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert not any("MAIL" in talk.verbs for talk in server.conversations)


async def test_peer_that_ignores_the_end_holds_nobody_up(net: Net):
    # Neither QUIT nor the end of TLS is answered.
    await net.serve(tls_server(net, replies={"QUIT": Say(then="silence")}))
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    async with asyncio.timeout(5 * net.time_scale + 2):
        await net.leave()
