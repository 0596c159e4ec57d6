from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode

import pytest

from delivery.sasl import Credentials, CredentialsError, Mechanism, MechanismError
from delivery.sasl.credentials import MAX_SECRET, MAX_TOKEN, MAX_USERNAME
from delivery.sasl.oauth import XOauth2
from delivery.sasl.passwords import CramMd5, Login, Plain

TIM = Credentials(username="tim", secret="tanstaaftanstaaf", token="ya29.tea")
CHALLENGE = b"<1896.697170952@postoffice.reston.mci.net>"


def test_plain_says_everything_at_once():
    client = Plain(TIM)
    assert client.initial_response() == b"\0tim\0tanstaaftanstaaf"  # RFC 4616 §4
    assert client.is_complete
    with pytest.raises(MechanismError, match="after the end"):
        client.respond(b"")


def test_login_says_the_name_and_then_the_password():
    client = Login(TIM)
    assert client.initial_response() is None
    assert client.respond(b"User Name\0") == b"tim"
    assert not client.is_complete
    assert client.respond(b"") == b"tanstaaftanstaaf"
    assert client.is_complete
    with pytest.raises(MechanismError, match="after the end"):
        client.respond(b"Once more:")


def test_example_of_cram_md5():
    client = CramMd5(TIM)
    assert client.initial_response() is None
    assert not client.has_proved
    assert client.respond(CHALLENGE) == b"tim b913a602c7eda7a495b4e6e7334d3890"  # RFC 2195 §2
    assert client.is_complete
    with pytest.raises(MechanismError, match="after the end"):
        client.respond(CHALLENGE)


def test_long_passwords_are_hashed_for_cram_md5():
    client = CramMd5(Credentials(username="tim", secret="x" * 65))
    # RFC 2195 §2: a longer key is replaced by its own digest.
    key = hashlib.md5(b"x" * 65, usedforsecurity=False).digest()
    digest = hmac.new(key, CHALLENGE, "md5").hexdigest()
    assert client.respond(CHALLENGE) == f"tim {digest}".encode()


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"1896@host",
        b"<>",
        b"<a b@host>",
        b"<a@host",
        b"<a<b@host>",
        b"<" + b"x" * 2000 + b">",
        b"<\xff@a>",
    ],
)
def test_cram_md5_digests_nothing_but_its_challenge(challenge: bytes):
    client = CramMd5(TIM)
    with pytest.raises(MechanismError, match="not one of CRAM-MD5"):
        client.respond(challenge)
    assert not client.has_proved


def test_example_of_xoauth2():
    token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
    client = XOauth2(Credentials(username="someuser@example.com", token=token))
    assert client.initial_response() == b64decode(
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQ"
        "mhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    )
    assert client.is_complete
    error = b64decode(
        "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdvb2ds"
        "ZS5jb20vIn0K"
    )
    assert client.respond(error) == b""
    assert (client.status, client.is_complete) == ("401", False)
    with pytest.raises(MechanismError, match="after the end"):
        client.respond(error)


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'"401"',
        b'{"status":null}',
        b'{"status":["401"]}',
        b'{"status":"a word"}',
        b'{"status":"' + b"4" * 100 + b'"}',
        b'{"status":1e9999}',
        b"[" * 2000,
        b'{"status":"401","x":"' + b"x" * 4000 + b'"}',
        b"\xff\xfe",
    ],
)
def test_xoauth2_takes_no_other_challenge(challenge: bytes):
    client = XOauth2(TIM)
    client.initial_response()
    with pytest.raises(MechanismError, match="not one of XOAUTH2"):
        client.respond(challenge)


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "", "secret": "x"},
        {"username": "tim"},
        {"username": "tim", "secret": "a\0b"},
        {"username": "tim\r\nRSET", "secret": "x"},
        {"username": "x" * (MAX_USERNAME + 1), "secret": "x"},
        {"username": "tim", "secret": "ü" * (MAX_SECRET // 2 + 1)},
        {"username": "tim", "token": "x" * (MAX_TOKEN + 1)},
        {"username": "tim", "token": "two words"},
        {"username": "tim", "token": "x\x01auth=Bearer y"},
        {"username": "tim", "secret": "\udc80"},
    ],
)
def test_credentials_nobody_can_use_do_not_exist(fields: dict[str, str]):
    with pytest.raises(CredentialsError) as caught:
        Credentials(**fields)
    assert all(value not in str(caught.value) for value in fields.values() if len(value) > 4)


def test_credentials_show_the_name_only():
    assert repr(TIM) == "Credentials(username='tim')" == str(TIM)


def test_mechanisms_are_in_the_order_of_their_strength():
    assert [one.value for one in sorted(Mechanism, key=lambda one: one.rank)] == [
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-1",
        "CRAM-MD5",
        "XOAUTH2",
        "PLAIN",
        "LOGIN",
    ]
