from __future__ import annotations

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramException, ScramMechanism

from delivery.sasl import ChannelBinding, Credentials, Mechanism, MechanismError
from delivery.sasl.scram import MAX_ITERATIONS, MIN_ITERATIONS, Scram

USER = Credentials(username="user", secret="pencil")
NONCE = "rOprNGfwEbeRWgbNEkqO"
SALT = b64encode(b"a salt of octets").decode()
BINDING = ChannelBinding("tls-exporter", bytes(range(32)))


def scram(name: Mechanism = Mechanism.SCRAM_SHA_256, **more) -> Scram:
    return Scram(name, USER, nonce=NONCE, **more)


def first(nonce: str = NONCE + "theirs", salt: str = SALT, count: object = 4096) -> bytes:
    return f"r={nonce},s={salt},i={count}".encode()


@pytest.mark.parametrize(
    ("name", "nonce", "theirs", "salt", "proof", "signature"),
    [
        pytest.param(
            Mechanism.SCRAM_SHA_1,
            "fyko+d2lbbFgONRv9qkxdawL",
            "3rfcNHYJY1ZVvWVs7j",
            "QSXCR+Q6sek8bf92",
            "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            id="RFC 5802",
        ),
        pytest.param(
            Mechanism.SCRAM_SHA_256,
            NONCE,
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            id="RFC 7677",
        ),
    ],
)
def test_examples_of_the_standards(name, nonce, theirs, salt, proof, signature):
    client = Scram(name, USER, nonce=nonce)
    assert client.initial_response() == f"n,,n=user,r={nonce}".encode()
    assert not client.has_proved
    answer = client.respond(first(nonce + theirs, salt))
    assert answer == f"c=biws,r={nonce}{theirs},p={proof}".encode()
    assert (client.has_proved, client.is_complete) == (True, False)
    assert client.respond(f"v={signature}".encode()) == b""
    assert client.is_complete


@pytest.mark.parametrize(
    ("name", "binding", "header"),
    [
        (Mechanism.SCRAM_SHA_256, None, b"n,,"),
        (Mechanism.SCRAM_SHA_256, BINDING, b"y,,"),
        (Mechanism.SCRAM_SHA_256_PLUS, BINDING, b"p=tls-exporter,,"),
        (
            Mechanism.SCRAM_SHA_1_PLUS,
            ChannelBinding("tls-server-end-point", b"hash"),
            b"p=tls-server-end-point,,",
        ),
    ],
)
def test_what_is_bound_is_said_twice(
    name: Mechanism, binding: ChannelBinding | None, header: bytes
):
    client = scram(name, binding=binding)
    assert client.initial_response() == header + f"n=user,r={NONCE}".encode()
    answer = client.respond(first()).decode()
    told = header + (binding.data if binding is not None and name.binds else b"")
    assert answer.startswith(f"c={b64encode(told).decode()},r={NONCE}theirs,p=")


def test_names_with_commas_and_equal_signs_are_escaped():
    client = Scram(Mechanism.SCRAM_SHA_1, Credentials(username="a,b=c", secret="x"), nonce=NONCE)
    assert client.initial_response() == f"n,,n=a=2Cb=3Dc,r={NONCE}".encode()


def test_credentials_that_it_cannot_carry_are_ours_to_answer_for():
    with pytest.raises(MechanismError) as caught:
        Scram(Mechanism.SCRAM_SHA_1, Credentials(username="a", secret="\ue000"), nonce=NONCE)
    assert caught.value.is_ours
    assert "\ue000" not in str(caught.value)


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        pytest.param(first(count=10**9), "1000000000 iterations", id="a thousand million"),
        pytest.param(first(count="9" * 2000), "too long|malformed|iterations", id="astronomic"),
        pytest.param(first(count=MAX_ITERATIONS + 1), "600001 iterations", id="one too many"),
        pytest.param(first(count=MIN_ITERATIONS - 1), "4095 iterations", id="one too few"),
        pytest.param(first(count=1), "1 iterations", id="one"),
        pytest.param(first(count=0), "malformed", id="none"),
        pytest.param(first(count=-4096), "malformed", id="negative"),
        pytest.param(first(count="٤٠٩٦"), "malformed", id="other digits"),
        pytest.param(first(salt="c2hvcnQ="), "salt has 5 octets", id="short salt"),
        pytest.param(first(salt=""), "malformed", id="no salt"),
        pytest.param(first(salt="A" * 600), "salt has 450 octets", id="long salt"),
        pytest.param(first(salt="a==="), "malformed|base64", id="salt that is not base64"),
        pytest.param(first(salt="AAAAAAAAAAAAAAAAA"), "base64", id="salt of odd length"),
        pytest.param(first(NONCE), "does not prolong", id="our own nonce"),
        pytest.param(first("theirs"), "does not prolong", id="their own nonce"),
        pytest.param(first(NONCE[:-1] + "xtheirs"), "does not prolong", id="nonce changed"),
        pytest.param(first(NONCE + "x" * 600), "does not prolong", id="endless nonce"),
        pytest.param(first(NONCE + "ü"), "malformed", id="nonce of other letters"),
        pytest.param(b"m=x," + first(), "extension", id="mandatory extension"),
        pytest.param(first() + b",m=x", "m", id="mandatory extension at the end"),
        pytest.param(first() + b",i=4096", ".", id="count twice"),
        pytest.param(b"e=unknown-user", "“unknown-user”", id="error"),
        pytest.param(b"e=" + b"x" * 70, "malformed", id="endless error"),
        pytest.param(b"", "malformed", id="nothing"),
        pytest.param(b"\xff", "UTF-8", id="not UTF-8"),
        pytest.param(b"r=" + b"x" * 3000, "too long", id="endless"),
        pytest.param(b"v=AAAA", "malformed", id="the end at once"),
    ],
)
def test_hostile_first_messages_are_refused(challenge: bytes, words: str):
    client = scram()
    client.initial_response()
    with pytest.raises(MechanismError) as caught:
        client.respond(challenge)
    assert re.search(words, str(caught.value))
    assert not client.has_proved
    assert not client.is_complete


def test_unknown_extensions_that_are_not_mandatory_are_ignored():
    client = scram()
    client.initial_response()
    assert client.respond(first() + b",x=something").startswith(b"c=")


@pytest.mark.parametrize(
    "challenge",
    [
        pytest.param(b"v=" + b64encode(bytes(32)), id="wrong signature"),
        pytest.param(b"v=" + b64encode(b"short"), id="short signature"),
        pytest.param(b"e=invalid-proof", id="error"),
        pytest.param(b"", id="nothing"),
        pytest.param(first(), id="first message again"),
        pytest.param(b"v=!", id="not base64"),
        pytest.param(b"m=x,v=AAAA", id="mandatory extension"),
    ],
)
def test_hostile_last_messages_are_refused(challenge: bytes):
    client = scram()
    client.initial_response()
    client.respond(first())
    with pytest.raises(MechanismError):
        client.respond(challenge)
    assert not client.is_complete


def test_nothing_follows_the_end():
    client = Scram(Mechanism.SCRAM_SHA_256, USER, nonce=NONCE)
    client.initial_response()
    client.respond(first(NONCE + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ=="))
    client.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(MechanismError, match="after the end"):
        client.respond(b"")


@given(
    st.sampled_from([one for one in Mechanism if one.is_scram]),
    st.text(min_size=1),
    st.text(min_size=1),
)
def test_whatever_can_be_carried_is_understood(name: Mechanism, username: str, secret: str):
    try:
        credentials = Credentials(username=username, secret=secret)
        client = Scram(name, credentials, nonce=NONCE, binding=_binding_for(name))
    except (ValueError, MechanismError):
        return
    mechanism = ScramMechanism(name.value)
    bound = ("tls-unique", b"data") if name.binds else None
    server = mechanism.make_server(
        lambda _: mechanism.make_auth_info(secret, 4096, salt=b"0123456789ab"), bound
    )
    server.set_client_first(client.initial_response().decode())
    answer = client.respond(server.get_server_first().encode())
    server.set_client_final(answer.decode())
    assert client.respond(server.get_server_final().encode()) == b""
    assert client.is_complete


def _binding_for(name: Mechanism) -> ChannelBinding | None:
    return ChannelBinding("tls-unique", b"data") if name.binds else None


@given(
    st.binary(max_size=200) | st.text(alphabet="rsievm=,0123456789Aa", max_size=80).map(str.encode)
)
def test_whatever_a_server_says_nothing_but_our_error_comes_out(challenge: bytes):
    client = scram()
    client.initial_response()
    with pytest.raises(MechanismError):
        client.respond(challenge)


def test_a_wrong_password_is_refused_by_the_other_side():
    mechanism = ScramMechanism("SCRAM-SHA-256")
    server = mechanism.make_server(lambda _: mechanism.make_auth_info("other", 4096))
    client = scram()
    server.set_client_first(client.initial_response().decode())
    with pytest.raises(ScramException):
        server.set_client_final(client.respond(server.get_server_first().encode()).decode())
