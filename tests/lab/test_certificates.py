"""Which certificates the hosts show, judged by OpenSSL and by `cryptography`."""

from __future__ import annotations

import ssl
from hashlib import sha256

import dns.asyncquery
import dns.message
import dns.rdatatype
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification

from delivery.lab import Lab
from tests.lab.client import Client, talking_to, trusting


async def handshake(name: str) -> None:
    """Start TLS as a client that trusts the lab's root."""
    async with talking_to(name) as (lab, client):
        await client.hello()
        await client.shake_hands(trusting(lab), f"mx.{name}.test")


@pytest.mark.parametrize("name", ["pkix", "sts", "requiretls-sts", "downgrade", "dane-mismatch"])
async def test_a_public_certificate_leads_to_the_root_in_the_ca_file(name: str):
    async with talking_to(name) as (lab, client):
        await client.hello()
        await client.shake_hands(trusting(lab), f"mx.{name}.test")
        chain = [x509.load_der_x509_certificate(der) for der in client.chain()]
        assert len(chain) == 2
        root = x509.load_pem_x509_certificate(lab.ca_file.read_bytes())
        verifier = (
            verification.PolicyBuilder()
            .store(verification.Store([root]))
            .build_server_verifier(x509.DNSName(f"mx.{name}.test"))
        )
        assert verifier.verify(chain[0], chain[1:])[-1] == root


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("starttls", "self.signed certificate"),
        ("dane", "self.signed certificate"),
        ("dane-ta", "self.signed certificate in certificate chain"),
        ("sts-expired", "certificate has expired"),
        ("sts-other-name", "Hostname mismatch"),
        ("sts-testing", "self.signed certificate"),
    ],
)
async def test_other_certificates_fail_for_their_own_reason(name: str, says: str):
    with pytest.raises(ssl.SSLCertVerificationError, match=says):
        await handshake(name)


async def tlsa_of(lab: Lab, name: str) -> list[str]:
    query = dns.message.make_query(f"_25._tcp.mx.{name}.test", "TLSA")
    response = await dns.asyncquery.udp(query, "127.0.0.1", port=lab.dns_port, timeout=5)
    return [str(record) for rrset in response.answer for record in rrset]


@pytest.mark.parametrize(
    ("name", "depth", "fits"),
    [("dane", 0, True), ("requiretls", 0, True), ("dane-ta", 1, True), ("dane-mismatch", 0, False)],
)
async def test_tlsa_records_describe_the_certificate_that_is_shown(
    name: str, depth: int, fits: bool
):
    async with talking_to(name) as (lab, client):
        await client.hello()
        await client.shake_hands()
        certificate = x509.load_der_x509_certificate(client.chain()[depth])
        spki = certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        (record,) = await tlsa_of(lab, name)
        assert (record.rpartition(" ")[2] == sha256(spki).hexdigest()) == fits


async def test_two_hosts_of_one_domain_show_their_own_certificates():
    async with Lab(profiles=["dane-partly"]) as lab:
        names = []
        for host in (0, 1):
            async with await Client.of(lab, "dane-partly.test", host=host) as client:
                await client.hello()
                await client.shake_hands()
                certificate = x509.load_der_x509_certificate(client.chain()[0])
                names.append(certificate.subject.rfc4514_string())
        assert names == ["CN=mx.dane-partly.test", "CN=mx2.dane-partly.test"]


async def test_private_keys_are_for_their_owner_only_and_go_with_the_lab():
    async with Lab(profiles=["pkix"]) as lab:
        folder = lab.ca_file.parent
        keys = [path for path in folder.iterdir() if path != lab.ca_file]
        assert keys
        assert all(path.stat().st_mode & 0o077 == 0 for path in keys)
    assert not folder.exists()
