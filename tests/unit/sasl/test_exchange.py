from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sasl import Choice, Credentials, Ending, Exchange, Mechanism, Result
from delivery.smtp import Auth, AuthCancel, AuthResponse, Reply

ALICE = Credentials(username="user", secret="pencil", token="tea.party")
NONCE = "rOprNGfwEbeRWgbNEkqO"
FIRST = f"r={NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
LAST = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
WELCOME = Reply(235, None, ("Welcome",))
CANCELLED = Reply(501, None, ("Cancelled",))
EMPTY = Reply.challenge(b"")
M = Mechanism


def start(name: Mechanism = M.SCRAM_SHA_256, credentials: Credentials = ALICE) -> Exchange:
    return Exchange(Choice(mechanism=name).start(credentials, nonce=NONCE))


def run(exchange: Exchange, *replies: Reply) -> list[object]:
    """Return what the client says; every reply but the last must be answered."""
    said: list[object] = [exchange.begin()]
    for reply in replies:
        assert exchange.ending is None
        said.append(exchange.take(reply))
    return said


def ending(exchange: Exchange) -> Ending:
    assert exchange.ending is not None
    return exchange.ending


def test_scram_from_the_command_to_the_welcome():
    exchange = start()
    said = run(exchange, Reply.challenge(FIRST), Reply.challenge(LAST), WELCOME)
    assert said[0] == Auth("SCRAM-SHA-256", f"n,,n=user,r={NONCE}".encode())
    assert isinstance(said[1], AuthResponse)
    assert said[2:] == [AuthResponse(b""), None]
    assert ending(exchange) == Ending(
        result=Result.LOGGED_IN, mechanism=M.SCRAM_SHA_256, has_proved=True
    )


@pytest.mark.parametrize(
    ("name", "replies", "answers"),
    [
        (M.PLAIN, [], []),
        (M.XOAUTH2, [], []),
        (M.LOGIN, [Reply.challenge(b"Username:"), EMPTY], [b"user", b"pencil"]),
        (
            M.CRAM_MD5,
            [Reply.challenge(b"<1@a>")],
            [b"user b8c2cf0e27c31d64e11ac4e1dac2c1d4"],
        ),
    ],
)
def test_the_others(name: Mechanism, replies: list[Reply], answers: list[bytes]):
    exchange = start(name)
    said = run(exchange, *replies, WELCOME)
    assert (said[0] == Auth(name.value)) == bool(replies)
    assert len(said) == len(replies) + 2
    if name is M.LOGIN:
        assert said[1:-1] == [AuthResponse(answer) for answer in answers]
    assert ending(exchange).result is Result.LOGGED_IN


def test_a_long_initial_response_waits_for_the_servers_turn():
    # RFC 4954 §4: the command is not longer than 512 octets; lines behind it may be.
    exchange = start(M.XOAUTH2, Credentials(username="user", token="x" * 500))
    said = run(exchange, EMPTY, WELCOME)
    assert said[0] == Auth("XOAUTH2")
    assert said[1] == AuthResponse(b"user=user\x01auth=Bearer " + b"x" * 500 + b"\x01\x01")
    assert ending(exchange).result is Result.LOGGED_IN


def test_the_longest_credentials_fit():
    longest = Credentials(username="x" * 255, secret="x" * 1024, token="x" * 8000)
    for name in (M.XOAUTH2, M.PLAIN):
        exchange = start(name, longest)
        assert isinstance(run(exchange, EMPTY)[1], AuthResponse)


def test_the_server_may_not_challenge_what_was_not_said_yet():
    exchange = start(M.XOAUTH2, Credentials(username="user", token="x" * 500))
    said = run(exchange, Reply.challenge(b"hello"), CANCELLED)
    assert said[1] == AuthCancel()
    assert (ending(exchange).result, ending(exchange).has_proved) == (Result.BROKEN, False)


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ([], M.SCRAM_SHA_256),
        ([Reply.challenge(FIRST)], M.SCRAM_SHA_256),
        ([], M.LOGIN),
        ([EMPTY], M.LOGIN),
        ([], M.CRAM_MD5),
        ([Reply.challenge(b'{"status":"401"}')], M.XOAUTH2),
    ],
)
def test_success_that_comes_too_early_is_none(before: list[Reply], name: Mechanism):
    exchange = start(name)
    run(exchange, *before, WELCOME)
    assert (ending(exchange).result, ending(exchange).is_usable) == (Result.BROKEN, False)
    assert "before it can know" in ending(exchange).why


def test_success_before_a_late_response_is_none():
    exchange = start(M.XOAUTH2, Credentials(username="user", token="x" * 500))
    run(exchange, WELCOME)
    assert (ending(exchange).result, ending(exchange).has_proved) == (Result.BROKEN, False)


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ([Reply(334, None, ("AAAA", "AAAA"))], "the challenge has several lines"),
        ([Reply(334, None, ("not base64",))], "The challenge is not base64"),
        ([Reply(334, None, ("AAA",))], "The challenge is not base64"),
        ([Reply(334, None, ("ÄÄÄÄ",))], "The challenge is not base64"),
        ([Reply(354, None, ("Go on",))], "354 is no challenge"),
        ([EMPTY], "the server's first message is malformed"),
        (
            [Reply.challenge(FIRST), Reply.challenge(LAST), EMPTY],
            "the server goes on after the end",
        ),
        (
            [Reply.challenge(FIRST.replace(b"i=4096", b"i=1000000000"))],
            "1000000000 iterations are not within 4096 and 600000",
        ),
        ([Reply.challenge(FIRST), Reply.challenge(b"v=AAAA")], "doesn't match"),
    ],
)
def test_what_must_not_be_answered_is_cancelled(replies: list[Reply], why: str):
    exchange = start()
    said = run(exchange, *replies, CANCELLED)
    assert said[-2:] == [AuthCancel(), None]
    assert (ending(exchange).result, ending(exchange).is_usable) == (Result.BROKEN, True)
    assert why in ending(exchange).why


@pytest.mark.parametrize("reply", [WELCOME, EMPTY, Reply(250), Reply(454), Reply(421)])
def test_whoever_does_not_follow_a_cancel_is_left(reply: Reply):
    exchange = start()
    run(exchange, EMPTY, reply)
    assert (ending(exchange).result, ending(exchange).is_usable) == (Result.BROKEN, False)


@pytest.mark.parametrize("code", [421, 432, 454, 500, 504, 530, 534, 535, 538])
def test_refusals_keep_their_reply(code: int):
    exchange = start()
    run(exchange, Reply(code))
    assert (ending(exchange).result, ending(exchange).reply) == (Result.REFUSED, Reply(code))
    assert not ending(exchange).has_proved


def test_a_refusal_of_the_proof_is_told_from_others():
    exchange = start()
    run(exchange, Reply.challenge(FIRST), Reply(535))
    assert ending(exchange).has_proved


def test_a_refused_token_has_its_status():
    exchange = start(M.XOAUTH2)
    said = run(exchange, Reply.challenge(b'{"status":"401","schemes":"bearer"}'), Reply(535))
    assert said[1] == AuthResponse(b"")
    assert (ending(exchange).result, ending(exchange).why) == (Result.REFUSED, "status 401")


REPLIES = st.builds(
    Reply,
    st.sampled_from([235, 250, 334, 334, 334, 354, 421, 454, 501, 535]),
    st.none(),
    st.lists(
        st.sampled_from(["", "AAAA", "!", b64encode(FIRST).decode(), b64encode(LAST).decode()]),
        min_size=1,
        max_size=2,
    ).map(tuple),
)


@given(
    st.sampled_from([one for one in Mechanism if not one.binds]),
    st.lists(REPLIES, min_size=12, max_size=12),
)
def test_every_server_brings_it_to_an_end(name: Mechanism, replies: list[Reply]):
    exchange = start(name)
    command: object = exchange.begin()
    for reply in replies:
        command = exchange.take(reply)
        if command is None:
            break
        assert "pencil" not in repr(command)
    assert command is None
    assert "pencil" not in repr(ending(exchange))
    if ending(exchange).result is Result.LOGGED_IN:
        assert reply.is_positive
        assert ending(exchange).has_proved
