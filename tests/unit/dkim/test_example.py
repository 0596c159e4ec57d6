"""The example of RFC 8463 appendix A: keys, message and both signatures as printed there."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from delivery.dkim import Algorithm, Form, KeyRecord, SigningKey, canonical
from delivery.dkim.selection import signed_fields
from tests.unit.dkim.oracle import verified

ED25519_SECRET = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
ED25519_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RSA_SECRET = """\
-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
"""
RSA_RECORD = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qh"
    "dR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hst"
    "T5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
MESSAGE = """\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.

""".replace("\n", "\r\n").encode()
NAMES = b"from to subject date message-id from subject date".split()


def ed25519_key() -> SigningKey:
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(ED25519_SECRET))
    return SigningKey(algorithm=Algorithm.ED25519, _private=private)


def rsa_key() -> SigningKey:
    private = serialization.load_pem_private_key(RSA_SECRET.encode(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return SigningKey(algorithm=Algorithm.RSA, _private=private)


def test_the_body_hashes_to_what_is_printed():
    body = canonical.body(canonical.split(MESSAGE)[1], Form.RELAXED)
    printed = b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    assert base64.b64encode(hashlib.sha256(body).digest()) == printed


@pytest.mark.parametrize(
    ("at", "key"), [(0, ed25519_key()), (1, rsa_key())], ids=["ed25519", "rsa"]
)
def test_the_signature_comes_out_as_printed(at: int, key: SigningKey):
    fields, _ = canonical.split(MESSAGE)
    unsigned, _, printed = fields[at].raw.rpartition(b" b=")
    raws = [each.raw for each in signed_fields(fields, NAMES)] + [unsigned + b" b="]
    data = b"\r\n".join(canonical.header_field(raw, Form.RELAXED) for raw in raws)
    assert base64.b64encode(key.sign(data)) == b"".join(printed.split())


@pytest.mark.parametrize(
    ("key", "record"),
    [(ed25519_key(), ED25519_RECORD), (rsa_key(), RSA_RECORD)],
    ids=["ed25519", "rsa"],
)
def test_the_record_comes_out_as_printed(key: SigningKey, record: str):
    assert str(KeyRecord.of(key.algorithm, key.public)) == record
    assert KeyRecord.parse(record) == KeyRecord.of(key.algorithm, key.public)


def test_the_oracle_of_these_tests_agrees():
    published = {
        "brisbane._domainkey.football.example.com": ED25519_RECORD,
        "test._domainkey.football.example.com": RSA_RECORD,
    }
    assert verified(MESSAGE, published) == [True, True]
    assert verified(MESSAGE.replace(b"Joe.", b"Jim."), published) == [False, False]
