"""Scenario 14: an enforced MTA-STS policy that is not met, and the same with TLS-Required: No.

RFC 8461 §4 and §5 for the policy, RFC 8689 §3 for the sender who sets it aside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from delivery.policy.facts import Proof, StsMode
from delivery.policy.modes import Mode
from delivery.policy.outcome import Result
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from tests.fakes.certificates import self_signed
from tests.fakes.smtp_server import Say, SmtpServer
from tests.peers.conftest import CONTENT, ROOT, Net, outcomes_of
from tests.peers.published import LONG_AGO, MX, hold_policy, tls_server

Case = Callable[[Net], Awaitable[SmtpServer]]


async def _running(net: Net, server: SmtpServer) -> SmtpServer:
    await net.serve(server)
    return server


async def mx_mismatch(net: Net) -> SmtpServer:
    hold_policy(net, "other.d.test")
    return await _running(net, tls_server(net))


async def expired_certificate(net: Net) -> SmtpServer:
    hold_policy(net)
    return await _running(net, tls_server(net, ROOT.leaf(MX, until=LONG_AGO)))


async def wrong_name(net: Net) -> SmtpServer:
    hold_policy(net)
    return await _running(net, tls_server(net, ROOT.leaf("d.test")))


async def self_signed_certificate(net: Net) -> SmtpServer:
    hold_policy(net)
    return await _running(net, tls_server(net, self_signed(MX)))


async def starttls_502(net: Net) -> SmtpServer:
    hold_policy(net)
    return await _running(net, tls_server(net, replies={"STARTTLS": "502 5.5.1 no such command"}))


async def starttls_not_announced(net: Net) -> SmtpServer:
    hold_policy(net)
    return await _running(net, SmtpServer())


async def handshake_broken(net: Net) -> SmtpServer:
    hold_policy(net)
    return await _running(net, tls_server(net, replies={"STARTTLS": Say("220 go on", "close")}))


CASES = [
    pytest.param(mx_mismatch, Reason.VALIDATION_FAILURE, id="mx-mismatch"),
    pytest.param(expired_certificate, Reason.CERTIFICATE_EXPIRED, id="expired-certificate"),
    pytest.param(wrong_name, Reason.CERTIFICATE_HOST_MISMATCH, id="wrong-name"),
    pytest.param(self_signed_certificate, Reason.CERTIFICATE_NOT_TRUSTED, id="self-signed"),
    pytest.param(starttls_502, Reason.STARTTLS_NOT_SUPPORTED, id="starttls-502"),
    pytest.param(starttls_not_announced, Reason.STARTTLS_NOT_SUPPORTED, id="no-starttls"),
    pytest.param(handshake_broken, Reason.VALIDATION_FAILURE, id="handshake-broken"),
]


@pytest.mark.parametrize(("case", "reason"), CASES)
async def test_scenario_14_enforced_policy_that_is_not_met_puts_mail_off(
    net: Net, case: Case, reason: Reason
):
    server = await case(net)
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, reason)
    assert report.attempts[-1].stopped_by is Mechanism.MTA_STS
    assert not any({"MAIL", "RCPT", "DATA"} & set(talk.verbs) for talk in server.conversations)


@pytest.mark.parametrize(("case", "reason"), CASES)
async def test_scenario_14_tls_required_no_goes_through_all_the_same_and_is_recorded(
    net: Net, case: Case, reason: Reason
):
    server = await case(net)
    report = await net.send(mode=Mode.OPTIONAL)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.contents == [b"TLS-Required: No\r\n" + CONTENT]
    evidence = report.attempts[-1].evidence
    assert evidence is not None
    assert Proof.STS_PKIX not in evidence.tls.proofs
    assert not report.attempts[-1].requiretls_used


@pytest.mark.parametrize(("case", "reason"), CASES)
async def test_scenario_14_policy_in_testing_stops_nothing_and_proves_nothing(
    net: Net, case: Case, reason: Reason
):
    # RFC 8461 §5; trap 9.
    server = await case(net)
    (mx,) = net.policies.kept["d.test"].mx
    hold_policy(net, mx, mode=StsMode.TESTING)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.contents == [CONTENT]
    assert report.facts.sts.mode is StsMode.TESTING
    assert report.attempts[-1].stopped_by is Mechanism.NONE


async def test_policy_of_mode_none_asks_for_nothing(net: Net):
    await net.serve(SmtpServer())
    hold_policy(net, mode=StsMode.NONE)
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED


@pytest.mark.parametrize(
    ("named", "result"),
    [
        ("*.d.test", Result.DELIVERED),
        ("MX.D.TEST", Result.DELIVERED),
        ("*.mx.d.test", Result.DEFERRED),
        ("*.test", Result.DEFERRED),
        ("d.test", Result.DEFERRED),
    ],
)
async def test_star_stands_for_the_leftmost_label_alone(net: Net, named: str, result: Result):
    await net.serve(tls_server(net))
    hold_policy(net, named)
    assert outcomes_of(await net.send())[0].result is result


async def test_certificate_with_a_star_may_name_the_host(net: Net):
    await net.serve(tls_server(net, ROOT.leaf("*.d.test")))
    hold_policy(net)
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED


async def test_certificate_must_name_the_host_not_what_the_policy_says(net: Net):
    # RFC 8461 §4.2: the pattern chooses hosts; the certificate is held against the host's name.
    await net.serve(tls_server(net, ROOT.leaf("other.d.test")))
    hold_policy(net, "*.d.test")
    (outcome,) = outcomes_of(await net.send())
    assert outcome.reason is Reason.CERTIFICATE_HOST_MISMATCH


async def test_host_with_a_label_in_another_script_is_matched_by_its_a_label(net: Net):
    # Trap 13.
    host = "mx.xn--bcher-kva.test"
    await net.serve(tls_server(net, ROOT.leaf(host)), mx=f"10 {host}")
    hold_policy(net, "*.xn--bcher-kva.test")
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED


async def test_host_outside_the_policy_is_passed_over_for_one_within(net: Net):
    outside = await net.serve(tls_server(net, ROOT.leaf("old.d.test")), mx="10 old.d.test")
    inside = await net.serve(tls_server(net, address="127.0.0.2"), mx="20 mx.d.test")
    hold_policy(net)
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert (outside.conversations, len(inside.contents)) == ([], 1)
    assert report.attempts[0].stopped_by is Mechanism.MTA_STS
