"""Against Debian's Postfix: what it makes of our sessions, and which octets it delivers."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from delivery.agent.job import AttemptReport
from delivery.policy.facts import Proof, Starttls
from delivery.policy.modes import Mode
from delivery.policy.outcome import Result
from delivery.policy.reasons import Reason
from tests.fakes.certificates import self_signed
from tests.peers.conftest import CONTENT, ROOT, Net, outcomes_of
from tests.peers.servers.bodies import BODIES, HEAD
from tests.peers.servers.postfix import Postfix
from tests.peers.test_tls import ee, publish_tlsa

LEAF, SELF_SIGNED = ROOT.leaf("mx.d.test"), self_signed("mx.d.test")
ALL = [f"person{number}@d.test" for number in range(600)]


@pytest.fixture(scope="module")
def server() -> Iterator[Postfix]:
    with Postfix(trusted=LEAF.pem(), self_signed=SELF_SIGNED.pem()) as postfix:
        yield postfix


Use = Callable[[str], Postfix]


@pytest.fixture
async def use(net: Net, server: Postfix) -> AsyncIterator[Use]:
    """Make the world's one mail host Postfix, set in one of its ways."""
    net.name("10 mx.d.test", "127.0.0.1")

    def choose(way: str) -> Postfix:
        net.port = server.ports[way]
        return server

    server.arrivals.forget()
    yield choose
    await net.leave()


def _results(report: AttemptReport) -> list[Result]:
    return [outcome.result for outcome in outcomes_of(report)]


# TLS


@pytest.mark.parametrize(
    ("way", "starttls", "proofs", "reason"),
    [
        ("usual", Starttls.OFFERED, frozenset({Proof.PKIX}), Reason.NONE),
        ("self-signed", Starttls.OFFERED, frozenset(), Reason.CERTIFICATE_NOT_TRUSTED),
        ("plain", Starttls.NOT_OFFERED, frozenset(), Reason.STARTTLS_NOT_SUPPORTED),
    ],
)
async def test_evidence_says_what_tls_was_worth(
    net: Net, use: Use, way: str, starttls: Starttls, proofs: frozenset[Proof], reason: Reason
):
    server = use(way)
    report = await net.send()
    assert _results(report) == [Result.DELIVERED]
    evidence = report.attempts[0].evidence
    assert evidence is not None
    tls = evidence.tls
    assert (tls.starttls, tls.proofs, tls.reason) == (starttls, proofs, reason)
    (message,) = await server.arrivals.wait_for(1)
    assert (message.sender, message.recipients) == ("alice@mailweb.test", ("bob@d.test",))
    assert message.content == CONTENT


async def test_dane_proves_a_certificate_that_no_authority_signed(net: Net, use: Use):
    server = use("self-signed")
    publish_tlsa(net, ee(SELF_SIGNED))
    report = await net.send(mode=Mode.VERIFIED)
    assert _results(report) == [Result.DELIVERED]
    assert report.attempts[0].evidence is not None
    assert report.attempts[0].evidence.tls.proofs == {Proof.DANE_EE}
    await server.arrivals.wait_for(1)


async def test_certificate_that_dane_does_not_know_puts_the_message_off(net: Net, use: Use):
    use("self-signed")
    publish_tlsa(net, ee(LEAF))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.7.5")


async def test_requiretls_is_final_where_postfix_does_not_announce_it(net: Net, use: Use):
    server = use("usual")
    publish_tlsa(net, ee(LEAF))
    report = await net.send(mode=Mode.REQUIRETLS)
    (attempt,) = report.attempts
    assert attempt.evidence is not None
    assert Proof.DANE_EE in attempt.evidence.tls.proofs
    if attempt.evidence.offers_requiretls:
        assert _results(report) == [Result.DELIVERED]
        assert attempt.requiretls_used
        await server.arrivals.wait_for(1)
    else:
        (outcome,) = outcomes_of(report)
        assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.7.30")


# Content


@pytest.mark.parametrize("way", ["usual", "without-chunking", "without-pipelining"])
@pytest.mark.parametrize("body", BODIES)
async def test_octets_arrive_as_they_were_sent(net: Net, use: Use, way: str, body: bytes):
    server = use(way)
    content = HEAD + b"\r\n" + body
    report = await net.send(content=content, has_8bit=not content.isascii())
    assert _results(report) == [Result.DELIVERED]
    (message,) = await server.arrivals.wait_for(1)
    assert message.content == content


async def test_several_messages_go_over_one_connection(net: Net, use: Use):
    server = use("usual")
    before = server.connections()
    contents = [HEAD + b"\r\n" + b"." * number + b"\r\n" for number in range(5)]
    for content in contents:
        assert _results(await net.send(content=content)) == [Result.DELIVERED]
    arrived = await server.arrivals.wait_for(5)
    assert sorted(message.content for message in arrived) == sorted(contents)
    assert server.connections() - before == 1


async def test_addresses_and_header_fields_in_other_scripts_arrive(net: Net, use: Use):
    server = use("usual")
    content = "From: ålice@mailweb.test\r\nSubject: Grüße\r\n\r\nBob.\r\n".encode()
    report = await net.send(
        "böb@d.test",
        "böb-is-gone@d.test",
        content=content,
        has_8bit=True,
        mail_from="ålice@mailweb.test",
    )
    delivered, failed = outcomes_of(report)
    assert delivered.result is Result.DELIVERED
    assert failed.reply == "550 5.1.6 <böb-is-gone@d.test>: Recipient address rejected: He moved"
    (message,) = await server.arrivals.wait_for(1)
    assert (message.sender, message.recipients) == ("ålice@mailweb.test", ("böb@d.test",))
    assert message.content == content


async def test_8bit_message_is_put_into_seven_bits_where_8bitmime_is_not_announced(
    net: Net, use: Use
):
    server = use("without-8bitmime")
    content = (
        HEAD
        + (
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße, 日本語\r\n.dot\r\n"
        ).encode()
    )
    assert _results(await net.send(content=content, has_8bit=True)) == [Result.DELIVERED]
    (message,) = await server.arrivals.wait_for(1)
    assert message.content.isascii()
    parsed = email.message_from_bytes(message.content, policy=email.policy.SMTP)
    assert parsed.get_content() == "Grüße, 日本語\r\n.dot\r\n"


@pytest.mark.parametrize("way", ["small", "small-without-a-word"])
async def test_message_that_is_too_large_fails_at_once(net: Net, use: Use, way: str):
    use(way)
    report = await net.send(content=HEAD + b"\r\n" + b"x" * 70 + b"\r\n" + b"y" * 70 * 1000)
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.enhanced[:3]) == (Result.FAILED, "5.3")
    has_said_size = way == "small"
    assert ("takes messages of up to 20000 octets" in outcome.public) is has_said_size
    assert outcome.reply.startswith("552 5.3.4") is not has_said_size


# Recipients


@pytest.mark.parametrize("way", ["usual", "without-pipelining", "plain"])
async def test_six_hundred_recipients_get_one_copy_together(net: Net, use: Use, way: str):
    server = use(way)
    report = await net.send(*ALL)
    assert set(_results(report)) == {Result.DELIVERED}
    (message,) = await server.arrivals.wait_for(1)
    assert sorted(message.recipients) == sorted(ALL)


async def test_recipients_beyond_the_servers_limit_follow_in_the_same_connection(
    net: Net, use: Use
):
    server = use("few-recipients")
    before = server.connections()
    report = await net.send(*ALL)
    assert set(_results(report)) == {Result.DELIVERED}
    arrived = await server.arrivals.wait_for(6)
    assert [len(message.recipients) for message in arrived] == [100] * 6
    everybody = [one for message in arrived for one in message.recipients]
    assert sorted(everybody) == sorted(ALL)
    assert {message.content for message in arrived} == {CONTENT}
    assert server.connections() - before == 1


@pytest.mark.parametrize(("way", "copies"), [("usual", 1), ("without-pipelining", 2)])
async def test_each_recipient_has_the_answer_that_was_given_for_them(
    net: Net, use: Use, way: str, copies: int
):
    # A 452 may mean "one too many": who is still to be asked then follows in a second transaction.
    server = use(way)
    names = ("bob", "closed", "later", "nobody", "full", "charlie")
    outcomes = outcomes_of(await net.send(*(f"{name}@d.test" for name in names)))
    assert [(outcome.result, outcome.code, outcome.enhanced) for outcome in outcomes] == [
        (Result.DELIVERED, 250, "2.0.0"),
        (Result.FAILED, 550, "5.2.1"),
        (Result.DEFERRED, 450, "4.2.0"),
        (Result.FAILED, 550, "5.1.1"),
        (Result.DEFERRED, 452, "4.2.2"),
        (Result.DELIVERED, 250, "2.0.0"),
    ]
    assert "This mailbox is closed; write to the postmaster" in outcomes[1].reply
    assert "Greylisted: please come back in a minute" in outcomes[2].reply
    assert "User unknown in virtual mailbox table" in outcomes[3].reply
    assert "over its quota" in outcomes[4].reply
    arrived = await server.arrivals.wait_for(copies)
    recipients = sorted(one for message in arrived for one in message.recipients)
    assert (len(arrived), recipients) == (copies, ["bob@d.test", "charlie@d.test"])


async def test_refusal_of_every_recipient_leaves_the_session_usable(net: Net, use: Use):
    server = use("usual")
    before = server.connections()
    assert _results(await net.send("nobody@d.test", "closed@d.test")) == [Result.FAILED] * 2
    assert _results(await net.send()) == [Result.DELIVERED]
    await server.arrivals.wait_for(1)
    assert server.connections() - before == 1


async def test_421_after_too_many_errors_puts_off_only_those_without_an_answer(net: Net, use: Use):
    use("impatient")
    names = ("bob", "nobody", "closed", "later", "charlie")
    outcomes = outcomes_of(await net.send(*(f"{name}@d.test" for name in names)))
    assert [outcome.result for outcome in outcomes] == [
        Result.DEFERRED,
        Result.FAILED,
        Result.FAILED,
        Result.DEFERRED,
        Result.DEFERRED,
    ]
    assert "User unknown" in outcomes[1].reply
    assert outcomes[3].reply == "421 4.7.0 mx.d.test Error: too many errors"


async def test_postscreen_takes_a_stranger_on_the_second_visit(net: Net, use: Use):
    server = use("postscreen")
    (first,) = outcomes_of(await net.send())
    assert (first.result, first.code, first.enhanced) == (Result.DEFERRED, 450, "4.3.2")
    await net.leave()
    (second,) = outcomes_of(await net.send())
    assert second.result is Result.DELIVERED
    (message,) = await server.arrivals.wait_for(1)
    assert message.content == CONTENT


async def test_message_goes_in_chunks_and_the_next_one_in_a_single_write(net: Net, use: Use):
    server = use("usual")
    content = HEAD + b"\r\n.\r\n..dots\r\n"
    said = []
    for _ in range(2):
        report = await net.send(content=content)
        assert _results(report) == [Result.DELIVERED]
        lines = report.attempts[-1].transcript.splitlines()
        said.append([line for line in lines if line.startswith(("C: BDAT", "C: DATA"))])
    size = len(content)
    assert said == [["C: BDAT 1", f"C: BDAT {size - 1} LAST"], [f"C: BDAT {size} LAST"]]
    assert [message.content for message in await server.arrivals.wait_for(2)] == [content] * 2
