from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from scramp.core import CBindData

from delivery.sasl import ChannelBinding, tls_server_end_point

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def certificate(key, algorithm, **more) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay.test")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=datetime(2026, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(2027, 1, 1, tzinfo=UTC),
    )
    return builder.sign(key, algorithm, **more).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("der", "digest"),
    [
        (certificate(EC, hashes.SHA256()), hashlib.sha256),
        (certificate(EC, hashes.SHA384()), hashlib.sha384),
        (certificate(RSA, hashes.SHA512()), hashlib.sha512),
    ],
    ids=["SHA-256", "SHA-384", "SHA-512"],
)
def test_the_hash_is_that_of_the_signature(der: bytes, digest):
    binding = tls_server_end_point(der)
    assert binding == ChannelBinding("tls-server-end-point", digest(der).digest())
    assert bytes(CBindData.from_der(der)) == binding.data


def test_pss_names_its_hash():
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), padding.PSS.DIGEST_LENGTH)
    der = certificate(RSA, hashes.SHA384(), rsa_padding=pss)
    binding = tls_server_end_point(der)
    assert binding is not None
    assert binding.data == hashlib.sha384(der).digest()


@pytest.mark.parametrize("broken", ["04", "05"], ids=["MD5", "SHA-1"])
def test_broken_hashes_give_way(broken: str):
    # Nothing signs with them any more, so the name of the algorithm is changed afterwards.
    with_rsa = bytes.fromhex("2a864886f70d0101")
    der = certificate(RSA, hashes.SHA256())
    der = der.replace(with_rsa + b"\x0b", with_rsa + bytes.fromhex(broken))
    binding = tls_server_end_point(der)
    assert binding is not None
    assert binding.data == hashlib.sha256(der).digest()


def test_signatures_without_a_hash_of_their_own_bind_to_nothing():
    assert tls_server_end_point(certificate(ed25519.Ed25519PrivateKey.generate(), None)) is None


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"no certificate"])
def test_what_is_no_certificate_binds_to_nothing(der: bytes):
    assert tls_server_end_point(der) is None


def test_values_are_not_shown():
    assert repr(ChannelBinding("tls-exporter", b"secret")) == "ChannelBinding(name='tls-exporter')"
