"""Against Debian's Exim: another server's habits. It gives no enhanced codes, and checks who may talk when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from delivery.agent.job import AttemptReport
from delivery.policy.facts import Proof, Starttls
from delivery.policy.modes import Mode
from delivery.policy.outcome import Result, Scope
from tests.peers.conftest import CONTENT, ROOT, Net, outcomes_of
from tests.peers.servers.bodies import BODIES, HEAD
from tests.peers.servers.exim import Exim
from tests.peers.test_tls import ee, publish_tlsa

LEAF = ROOT.leaf("mx.d.test")
ALL = [f"person{number}@d.test" for number in range(600)]

Use = Callable[[str], Exim]


@pytest.fixture(scope="module")
def server() -> Iterator[Exim]:
    with Exim(trusted=LEAF.pem()) as exim:
        yield exim


@pytest.fixture
async def use(net: Net, server: Exim) -> AsyncIterator[Use]:
    """Make the world's one mail host Exim, set in one of its ways."""
    net.name("10 mx.d.test", "127.0.0.1")

    def choose(way: str) -> Exim:
        net.port = server.ports[way]
        return server

    server.arrivals.forget()
    yield choose
    await net.leave()


def _results(report: AttemptReport) -> list[Result]:
    return [outcome.result for outcome in outcomes_of(report)]


@pytest.mark.parametrize("way", ["usual", "without-chunking", "without-pipelining", "plain"])
@pytest.mark.parametrize("body", BODIES)
async def test_octets_arrive_as_they_were_sent(net: Net, use: Use, way: str, body: bytes):
    server = use(way)
    content = HEAD + b"\r\n" + body
    report = await net.send(content=content, has_8bit=not content.isascii())
    assert _results(report) == [Result.DELIVERED]
    (message,) = await server.arrivals.wait_for(1)
    assert (message.sender, message.recipients) == ("alice@mailweb.test", ("bob@d.test",))
    assert message.content == content


@pytest.mark.parametrize(
    ("way", "starttls", "proofs"),
    [
        ("usual", Starttls.OFFERED, frozenset({Proof.PKIX})),
        ("plain", Starttls.NOT_OFFERED, frozenset()),
    ],
)
async def test_evidence_says_what_tls_was_worth(
    net: Net, use: Use, way: str, starttls: Starttls, proofs: frozenset[Proof]
):
    server = use(way)
    evidence = (await net.send()).attempts[0].evidence
    assert evidence is not None
    assert (evidence.tls.starttls, evidence.tls.proofs) == (starttls, proofs)
    await server.arrivals.wait_for(1)


async def test_requiretls_is_final_where_exim_does_not_announce_it(net: Net, use: Use):
    use("usual")
    publish_tlsa(net, ee(LEAF))
    report = await net.send(mode=Mode.REQUIRETLS)
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.7.30")
    assert report.attempts[0].evidence is not None
    assert not report.attempts[0].evidence.offers_requiretls


async def test_announced_prdr_dsn_and_pipeconnect_change_nothing(net: Net, use: Use):
    server = use("usual")
    report = await net.send("bob@d.test", "charlie@d.test")
    assert report.attempts[0].evidence is not None
    assert {"PRDR", "DSN"} <= report.attempts[0].evidence.extensions
    assert _results(report) == [Result.DELIVERED] * 2
    (message,) = await server.arrivals.wait_for(1)
    assert (message.recipients, message.content) == (("bob@d.test", "charlie@d.test"), CONTENT)


async def test_several_messages_go_over_one_connection(net: Net, use: Use):
    server = use("usual")
    contents = [HEAD + b"\r\n" + b"." * number + b"\r\n" for number in range(5)]
    reports = [await net.send(content=content) for content in contents]
    assert [_results(report) for report in reports] == [[Result.DELIVERED]] * 5
    transcripts = [report.attempts[0].transcript for report in reports]
    assert ["STARTTLS" in transcript for transcript in transcripts] == [True] + [False] * 4
    arrived = await server.arrivals.wait_for(5)
    assert sorted(message.content for message in arrived) == sorted(contents)


async def test_addresses_and_header_fields_in_other_scripts_arrive(net: Net, use: Use):
    server = use("usual")
    content = "From: ålice@mailweb.test\r\nSubject: Grüße\r\n\r\nBob.\r\n".encode()
    report = await net.send(
        "böb@d.test", content=content, has_8bit=True, mail_from="ålice@mailweb.test"
    )
    assert _results(report) == [Result.DELIVERED]
    (message,) = await server.arrivals.wait_for(1)
    assert (message.sender, message.recipients) == ("ålice@mailweb.test", ("böb@d.test",))
    assert message.content == content


@pytest.mark.parametrize("way", ["usual", "without-pipelining"])
async def test_each_recipient_has_the_answer_that_was_given_for_them(net: Net, use: Use, way: str):
    server = use(way)
    names = ("bob", "closed", "later", "nobody", "charlie")
    outcomes = outcomes_of(await net.send(*(f"{name}@d.test" for name in names)))
    assert [(outcome.result, outcome.code, outcome.enhanced) for outcome in outcomes] == [
        (Result.DELIVERED, 250, ""),
        (Result.FAILED, 550, "5.2.1"),
        (Result.DEFERRED, 451, ""),
        (Result.FAILED, 550, ""),
        (Result.DELIVERED, 250, ""),
    ]
    assert outcomes[1].reply == "550 5.2.1 This mailbox is closed; write to the postmaster"
    assert outcomes[2].reply == "451-Greylisted\n451 Please come back in a minute"
    assert outcomes[3].reply == "550 Administrative prohibition"
    (message,) = await server.arrivals.wait_for(1)
    assert message.recipients == ("bob@d.test", "charlie@d.test")


async def test_refusal_of_the_content_is_final_for_all(net: Net, use: Use):
    use("usual")
    report = await net.send(
        "bob@d.test", "charlie@d.test", content=b"Subject: Refuse me\r\n\r\n.\r\n"
    )
    for outcome in outcomes_of(report):
        assert (outcome.result, outcome.scope) == (Result.FAILED, Scope.MESSAGE)
        assert outcome.reply == "550 This message looks wrong"


@pytest.mark.parametrize("way", ["usual", "without-pipelining"])
async def test_connection_dropped_after_a_refusal_puts_off_the_others(net: Net, use: Use, way: str):
    use(way)
    outcomes = outcomes_of(await net.send("bob@d.test", "hangup@d.test", "charlie@d.test"))
    assert [outcome.result for outcome in outcomes] == [
        Result.DEFERRED,
        Result.FAILED,
        Result.DEFERRED,
    ]
    assert outcomes[1].reply == "550 Go away"


async def test_message_that_is_too_large_fails_before_it_is_sent(net: Net, use: Use):
    use("small")
    (outcome,) = outcomes_of(await net.send(content=HEAD + b"\r\n" + b"x" * 70 * 1000))
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.3.4")
    assert "takes messages of up to 20000 octets" in outcome.public


@pytest.mark.parametrize("way", ["usual", "without-pipelining"])
async def test_recipients_beyond_the_servers_limit_follow_in_the_same_connection(
    net: Net, use: Use, way: str
):
    server = use(way)
    report = await net.send(*ALL)
    assert set(_results(report)) == {Result.DELIVERED}
    assert len(report.attempts) == 1
    arrived = await server.arrivals.wait_for(4)
    assert [len(message.recipients) for message in arrived] == [150] * 4
    assert sorted(one for message in arrived for one in message.recipients) == sorted(ALL)
    assert {message.content for message in arrived} == {CONTENT}


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
