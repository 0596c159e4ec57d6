from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from delivery.dkim import (
    Algorithm,
    BadKeyError,
    BadRecordError,
    KeyRecord,
    SigningKey,
    character_strings,
    from_domain,
    record_name,
)
from tests.unit.dkim.oracle import ED25519, RSA


@pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_a_key_is_the_same_after_it_was_stored(key: SigningKey):
    again = SigningKey.from_bytes(key.to_bytes())
    assert (again.algorithm, again.public) == (key.algorithm, key.public)
    assert again.sign(b"x") == key.sign(b"x")


def test_new_rsa_keys_have_2048_bits():
    public = serialization.load_der_public_key(RSA.public)
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.key_size == 2048


@pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_a_key_does_not_show_itself(key: SigningKey):
    assert repr(key) == f"SigningKey(algorithm={key.algorithm!r})"


def _der(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", RSA.to_bytes()[:-9], _der(ec.generate_private_key(ec.SECP256R1()))],
    ids=["empty", "nonsense", "cut off", "another kind"],
)
def test_what_is_no_key_is_refused(data: bytes):
    with pytest.raises(BadKeyError):
        SigningKey.from_bytes(data)


def test_a_record_is_cut_into_strings_that_dns_takes():
    text = str(KeyRecord.of(Algorithm.RSA, RSA.public))
    strings = character_strings(text)
    assert [len(each) for each in strings] == [255, len(text) - 255]
    assert "".join(strings) == text


def test_a_record_is_named_after_its_selector():
    assert record_name("s1", "mailweb.test") == "s1._domainkey.mailweb.test"


P = base64.b64encode(ED25519.public).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"p={P}", KeyRecord(algorithm="rsa", public=ED25519.public)),
        (f"v=DKIM1;k=ed25519;p={P};", KeyRecord(algorithm="ed25519", public=ED25519.public)),
        (
            f" v = DKIM1 ; k= ed25519; p= {P[:9]} {P[9:]} ",
            KeyRecord.of(Algorithm.ED25519, ED25519.public),
        ),
        ("v=DKIM1; p=", KeyRecord(algorithm="rsa", public=b"")),
        (f"p={P}; t=y:s", KeyRecord(algorithm="rsa", public=ED25519.public, is_testing=True)),
        (f"p={P}; s=tlsrpt", KeyRecord(algorithm="rsa", public=ED25519.public, is_for_mail=False)),
        (f"p={P}; h=sha1", KeyRecord(algorithm="rsa", public=ED25519.public, takes_sha256=False)),
        (
            f"p={P}; h=sha1:sha256; n=a note; x=unknown",
            KeyRecord(algorithm="rsa", public=ED25519.public),
        ),
    ],
    # The key is new in each process, and tests that run in several need the same names there.
    ids=["short", "ed25519", "spaces", "revoked", "testing", "not mail", "no sha256", "notes"],
)
def test_records_are_read(text: str, expected: KeyRecord):
    assert KeyRecord.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=spf1 -all",
        "v=DKIM2; p=",
        f"p={P}; v=DKIM1",
        "v=DKIM1; k=rsa",
        "p=?",
        f"p={P}; p={P}",
        "v=DKIM1;; p=",
    ],
    ids=["nothing", "spf", "other version", "late version", "no key", "no base64", "twice", "gap"],
)
def test_what_is_no_record_is_refused(text: str):
    with pytest.raises(BadRecordError):
        KeyRecord.parse(text)


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str):
    try:
        KeyRecord.parse(text)
    except BadRecordError:
        pass


@pytest.mark.parametrize(
    ("header", "domain"),
    [
        ("From: alice@mailweb.test", "mailweb.test"),
        ("FROM:Alice <alice@MAILWEB.test>", "mailweb.test"),
        ("Subject: x\r\nFrom: =?utf-8?q?A=2C?=\r\n <alice@mailweb.test>", "mailweb.test"),
        ('From: "x@y.test, z" <alice@mailweb.test>, bob@x.test', "mailweb.test"),
        ("From: älice@bücher.test", "xn--bcher-kva.test"),
        ("From: postmaster", ""),
        ("From:", ""),
        ("Subject: x", ""),
        ("", ""),
        ("From: a@[127.0.0.1]", ""),
    ],
)
def test_a_message_speaks_for_the_domain_of_its_from_field(header: str, domain: str):
    assert from_domain(f"{header}\r\n\r\nFrom: body@x.test\r\n".encode()) == domain


@given(message=st.binary(max_size=200))
def test_any_octets_have_a_domain_or_none(message: bytes):
    assert isinstance(from_domain(b"From: " + message), str)
