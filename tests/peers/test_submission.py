"""Against Debian's Postfix with Cyrus SASL: log-ins as real relays know them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.agent.login import LogIn, log_in
from delivery.agent.session import Care, Session
from delivery.policy.outcome import Result, Scope
from delivery.sasl import Credentials, Mechanism
from delivery.smtp import Data, Mail, Rcpt
from tests.fakes.certificates import self_signed
from tests.peers.conftest import ROOT
from tests.peers.relays import session_with
from tests.peers.servers.submission import PASSWORD, USERNAME, Submission

ALICE = Credentials(username=USERNAME, secret=PASSWORD)
EVERY = tuple(Mechanism)
CONTENT = b"Subject: Hello\r\n\r\nBob.\r\n"
KNOWN = [
    Mechanism.SCRAM_SHA_256,
    Mechanism.SCRAM_SHA_1,
    Mechanism.CRAM_MD5,
    Mechanism.PLAIN,
    Mechanism.LOGIN,
]


@pytest.fixture(scope="module")
def server() -> Iterator[Submission]:
    leaf, other = ROOT.leaf("mx.d.test"), self_signed("mx.d.test")
    with Submission(trusted=leaf.pem(), self_signed=other.pem()) as submission:
        yield submission


async def send(session: Session) -> int:
    """Send a message; return the code of the reply that decides."""
    for command in (Mail("alice@d.test"), Rcpt("bob@d.test"), Data()):
        reply = await session.exchange(command)
        if reply.code >= 400:
            return reply.code
    await session.send_content(CONTENT)
    return (await session.reply()).code


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("way", ["submission", "submissions", "tls-1.2"])
async def test_whoever_logs_in_may_send(server: Submission, way: str, name: Mechanism):
    server.arrivals.forget()
    is_implicit = way == "submissions"
    async with session_with(server.ports[way], is_implicit=is_implicit, time_scale=1) as session:
        done = await log_in(session, ALICE, allowed=[name])
        assert (done.outcome, done.mechanism, done.pauses) == (None, name, False)
        assert await send(session) == 250
    (arrived,) = await server.arrivals.wait_for(1)
    assert arrived.content == CONTENT


async def test_nobody_else_may(server: Submission):
    async with session_with(server.ports["submission"], time_scale=1) as session:
        assert await send(session) == 554


async def test_the_strongest_mechanism_is_taken_and_pinned(server: Submission):
    async with session_with(server.ports["submission"], time_scale=1) as session:
        first = await log_in(session, ALICE, allowed=EVERY)
    assert first.mechanism is Mechanism.SCRAM_SHA_256
    port = server.ports["only-plain"]
    async with session_with(port, time_scale=1) as session:
        later = await log_in(session, ALICE, allowed=EVERY, pinned=first.mechanism)
    assert "It offers PLAIN LOGIN. Pinned is SCRAM-SHA-256." in waits(later)
    async with session_with(port, time_scale=1) as session:
        assert (await log_in(session, ALICE, allowed=EVERY)).mechanism is Mechanism.PLAIN


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize(
    "wrong",
    [
        Credentials(username=USERNAME, secret="looking-glass"),
        Credentials(username="mallory", secret=PASSWORD),
    ],
    ids=["password", "name"],
)
async def test_wrong_credentials_pause_the_transport(
    server: Submission, name: Mechanism, wrong: Credentials
):
    async with session_with(server.ports["submission"], time_scale=1) as session:
        done = await log_in(session, wrong, allowed=[name])
        assert "“535 5.7.8 " in waits(done)
        # The session is in order: the right password still works.
        assert (await log_in(session, ALICE, allowed=[name])).is_ok


async def test_before_tls_nothing_is_offered(server: Submission):
    async with session_with(server.ports["tls-1.2"], care=Care.PLAIN, time_scale=1) as session:
        assert "does not offer to log in" in waits(await log_in(session, ALICE, allowed=EVERY))


def waits(done: LogIn) -> str:
    """Check that mail waits for an operator; return what they read."""
    assert done.outcome is not None
    assert (done.outcome.result, done.outcome.scope) == (Result.DEFERRED, Scope.TRANSPORT)
    assert done.pauses
    return done.outcome.private
