from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from delivery.agent import login
from delivery.agent.login import LogIn, log_in
from delivery.agent.session import Care
from delivery.policy.outcome import Result, Scope
from delivery.sasl import DEFAULT_MECHANISMS, Credentials, Mechanism
from delivery.smtp import Mail, Reply
from tests.fakes.certificates import Authority
from tests.fakes.relay import Relay
from tests.fakes.smtp_server import Say, SmtpServer, context_of
from tests.peers.relays import session_with

ALICE = Credentials(username="alice", secret="wonderland", token="tea.party")
WRONG = Credentials(username="alice", secret="looking-glass")
LEAF = Authority().leaf("relay.test")
DER = LEAF.certificate.public_bytes(Encoding.DER)
EVERY = tuple(Mechanism)
WITHOUT_EXTENDED_MASTER_SECRET = 1
"""`SSL_OP_NO_EXTENDED_MASTER_SECRET` of openssl/ssl.h."""

MakeRelay = Callable[..., Relay]


@pytest.fixture
def relay(tmp_path: Path) -> MakeRelay:
    def make(*, options: int = 0, **more: Any) -> Relay:
        context = context_of(LEAF, str(tmp_path / "relay.pem"))
        context.options |= options
        more.setdefault("context", context)
        return Relay(certificate=DER, tokens={"alice": "tea.party"}, **more)

    return make


def check_waits(done: LogIn, *, pauses: bool, enhanced: str) -> str:
    """Check that no message fails of it; return what operators read."""
    assert done.outcome is not None
    assert not done.is_ok
    assert not done.is_bound
    assert (done.outcome.result, done.outcome.scope) == (Result.DEFERRED, Scope.TRANSPORT)
    assert (done.pauses, done.outcome.enhanced) == (pauses, enhanced)
    for secret in (ALICE.secret, WRONG.secret, ALICE.token):
        assert secret not in repr(done)
    assert "relay.test" not in done.outcome.public
    return done.outcome.private


@pytest.mark.parametrize("name", [one for one in Mechanism if not one.binds])
async def test_every_mechanism_logs_in(relay: MakeRelay, name: Mechanism):
    async with relay(mechanisms=[name]) as server, session_with(server.port) as session:
        done = await log_in(session, ALICE, allowed=EVERY)
        assert (done.outcome, done.mechanism, done.is_bound, done.pauses) == (
            None,
            name,
            False,
            False,
        )
        assert (await session.exchange(Mail("alice@mailweb.test"))).is_positive
    assert server.log_ins == [("alice", name)]


@pytest.mark.parametrize(
    ("care", "options", "knows", "binding"),
    [
        (Care.USUAL, 0, "tls-server-end-point", "tls-server-end-point"),
        (Care.TLS_1_2, 0, "tls-server-end-point", "tls-server-end-point"),
        (Care.TLS_1_2, 0, "tls-unique", "tls-unique"),
        (
            Care.TLS_1_2,
            WITHOUT_EXTENDED_MASTER_SECRET,
            "tls-server-end-point",
            "tls-server-end-point",
        ),
    ],
    ids=["1.3", "1.2", "1.2, unique", "1.2 without extended master secret"],
)
@pytest.mark.parametrize("name", [one for one in Mechanism if one.binds])
async def test_log_ins_are_bound_by_the_kind_that_the_server_knows(
    relay: MakeRelay, name: Mechanism, care: Care, options: int, knows: str, binding: str
):
    async with (
        relay(mechanisms=[name], binding=knows, options=options) as server,
        session_with(server.port, care=care) as session,
    ):
        done = await log_in(session, ALICE)
    assert (done.outcome, done.mechanism, done.binding) == (None, name, binding)
    assert server.log_ins == [("alice", name)]


async def test_tls_unique_is_not_used_where_it_proves_nothing(relay: MakeRelay):
    async with (
        relay(
            mechanisms=["SCRAM-SHA-256-PLUS"],
            binding="tls-unique",
            options=WITHOUT_EXTENDED_MASTER_SECRET,
        ) as server,
        session_with(server.port, care=Care.TLS_1_2) as session,
    ):
        said = check_waits(await log_in(session, ALICE), pauses=True, enhanced="4.7.9")
    assert "for each kind of channel binding (tls-server-end-point)" in said


async def test_somebody_in_between_with_a_certificate_of_their_own_gets_nothing(relay: MakeRelay):
    other = Authority().leaf("relay.test").certificate.public_bytes(Encoding.DER)
    async with relay(mechanisms=["SCRAM-SHA-256-PLUS"], binding="tls-server-end-point") as server:
        server.certificate = other  # what the real server binds to
        async with session_with(server.port) as session:
            check_waits(await log_in(session, ALICE), pauses=True, enhanced="4.7.8")
    assert server.log_ins == []


async def test_the_strongest_of_what_is_offered_is_taken(relay: MakeRelay):
    async with (
        relay(mechanisms=["LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1"]) as server,
        session_with(server.port) as session,
    ):
        assert (await log_in(session, ALICE, allowed=EVERY)).mechanism is Mechanism.SCRAM_SHA_256
    assert server.tries == ["SCRAM-SHA-256"]


async def test_implicit_tls_is_as_good(relay: MakeRelay):
    async with (
        relay(mechanisms=["PLAIN"], is_implicit=True) as server,
        session_with(server.port, is_implicit=True) as session,
    ):
        assert session.evidence is not None
        assert session.evidence.tls.version == "TLSv1.3"
        assert (await log_in(session, ALICE, allowed=EVERY)).is_ok


async def test_a_server_that_hides_its_binding_is_told_that_we_could_have_bound(relay: MakeRelay):
    async with relay(mechanisms=["SCRAM-SHA-256"]) as server, session_with(server.port) as session:
        assert (await log_in(session, ALICE)).is_ok
    assert server.first_responses[0].startswith(b"y,,")


async def test_a_server_whose_binding_was_struck_out_on_the_way_breaks_it_off(relay: MakeRelay):
    async with (
        relay(mechanisms=["SCRAM-SHA-256"], binding="tls-server-end-point") as server,
        session_with(server.port) as session,
    ):
        said = check_waits(await log_in(session, ALICE), pauses=True, enhanced="4.7.9")
    assert "somebody in between" in said
    assert server.log_ins == []


async def test_who_may_not_bind_says_so(relay: MakeRelay):
    async with relay(mechanisms=["SCRAM-SHA-256"]) as server, session_with(server.port) as session:
        assert (await log_in(session, ALICE, allowed=[Mechanism.SCRAM_SHA_256])).is_ok
    assert server.first_responses[0].startswith(b"n,,")


@pytest.mark.parametrize("name", [one for one in Mechanism if not one.binds])
async def test_a_wrong_password_pauses_the_transport(relay: MakeRelay, name: Mechanism):
    wrong = Credentials(username="alice", secret="looking-glass", token="stale")
    async with relay(mechanisms=[name]) as server, session_with(server.port) as session:
        done = await log_in(session, wrong, allowed=EVERY)
        said = check_waits(done, pauses=True, enhanced="4.7.8")
        assert session.smtp.state == "ready"
    assert f"relay.test refused the log-in by {name}" in said
    assert "535 5.7.8" in said
    assert ("status 401" in said) == (name is Mechanism.XOAUTH2)


@pytest.mark.parametrize(
    ("offers", "allowed", "pinned", "enhanced", "words"),
    [
        ([], EVERY, None, "4.7.4", "does not offer to log in"),
        (["GSSAPI", "NTLM"], EVERY, None, "4.7.4", "It offers GSSAPI NTLM"),
        (["PLAIN", "LOGIN"], DEFAULT_MECHANISMS, None, "4.7.4", "It offers PLAIN LOGIN"),
        (["PLAIN"], EVERY, Mechanism.SCRAM_SHA_256, "4.7.9", "Pinned is SCRAM-SHA-256"),
    ],
    ids=["nothing", "strange", "not allowed", "weaker than before"],
)
async def test_nothing_is_said_where_no_mechanism_will_do(
    relay: MakeRelay, offers, allowed, pinned, enhanced: str, words: str
):
    async with relay(mechanisms=offers) as server, session_with(server.port) as session:
        done = await log_in(session, ALICE, allowed=allowed, pinned=pinned)
        assert words in check_waits(done, pauses=True, enhanced=enhanced)
    assert server.tries == []


async def test_what_was_offered_before_tls_does_not_count(relay: MakeRelay):
    async with (
        relay(mechanisms=["CRAM-MD5"], clear_mechanisms=["PLAIN"]) as server,
        session_with(server.port) as session,
    ):
        await log_in(session, ALICE, allowed=EVERY)
    assert server.tries == ["CRAM-MD5"]


async def test_no_password_goes_out_in_clear_text(relay: MakeRelay):
    async with (
        relay(clear_mechanisms=["PLAIN", "LOGIN", "XOAUTH2"], context=None) as server,
        session_with(server.port) as session,
    ):
        done = await log_in(session, ALICE, allowed=EVERY)
        assert "without TLS" in check_waits(done, pauses=True, enhanced="4.7.11")
    assert server.tries == []


@pytest.mark.parametrize("code", [421, 432, 451, 454])
async def test_a_server_that_cannot_look_now_is_asked_again(relay: MakeRelay, code: int):
    async with relay(mechanisms=["PLAIN"]) as server, session_with(server.port) as session:
        server.answers[0] = Reply(code, None, ("Not now",))
        done = await log_in(session, ALICE, allowed=EVERY)
    # RFC 4954 §6: after 432 a person has to choose another password.
    pauses = code == 432
    check_waits(done, pauses=pauses, enhanced="4.7.8" if pauses else "4.7.0")


async def test_success_before_the_exchange_is_complete_ends_the_session(relay: MakeRelay):
    async with relay(mechanisms=["SCRAM-SHA-256"]) as server, session_with(server.port) as session:
        server.answers[1] = Reply(235, None, ("Welcome",))
        said = check_waits(await log_in(session, ALICE), pauses=True, enhanced="4.7.0")
        assert "before it can know" in said
        assert not session.can_be_used_again


@pytest.mark.parametrize("then", ["close", "silence"])
async def test_a_session_that_ends_during_the_log_in_speaks_of_the_transport(then: str):
    async with (
        SmtpServer({"AUTH": Say(then=then)}, announces=["AUTH SCRAM-SHA-1"]) as server,
        session_with(server.port, time_scale=0.001) as session,
    ):
        said = check_waits(await log_in(session, ALICE), pauses=False, enhanced="4.4.2")
    assert "The session with relay.test ended early" in said


async def test_a_server_that_does_not_come_to_the_end_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(login, "LONGEST", 1.0)
    async with (
        SmtpServer({"AUTH": Say(then="silence")}, announces=["AUTH SCRAM-SHA-1"]) as server,
        session_with(server.port) as session,
    ):
        said = check_waits(await log_in(session, ALICE), pauses=False, enhanced="4.4.2")
        assert not session.can_be_used_again
    assert "in time" in said


async def test_the_transcript_has_names_and_codes_only(relay: MakeRelay):
    async with relay(mechanisms=["LOGIN"]) as server, session_with(server.port) as session:
        session.transcript.take()
        await log_in(session, ALICE, allowed=EVERY)
        assert session.transcript.take().splitlines() == [
            "C: AUTH LOGIN",
            "S: 334 ***",
            "C: ***",
            "S: 334 ***",
            "C: ***",
            "S: 235 2.7.0",
        ]


async def test_a_server_that_repeats_the_password_is_not_quoted(relay: MakeRelay):
    async with relay(mechanisms=["PLAIN"]) as server, session_with(server.port) as session:
        session.transcript.take()
        server.answers[0] = Reply(535, None, ("5.7.8 wonderland is not right",))
        done = await log_in(session, ALICE, allowed=EVERY)
        assert check_waits(done, pauses=True, enhanced="4.7.8").endswith("by PLAIN: “535 5.7.8”.")
        assert "wonderland" not in session.transcript.take()


async def test_a_server_that_talks_for_pages_is_cut_short(relay: MakeRelay):
    async with relay(mechanisms=["PLAIN"]) as server, session_with(server.port) as session:
        server.answers[0] = Reply(535, None, ("No, " * 100,) * 50)
        said = check_waits(
            await log_in(session, ALICE, allowed=EVERY), pauses=True, enhanced="4.7.8"
        )
    assert len(said) < 400
    assert "\n" not in said
