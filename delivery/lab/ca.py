"""The lab's certificate authorities, and the certificates its hosts show."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)


class Showing(StrEnum):
    """Which certificate a host shows."""

    PUBLIC = "public"
    """Signed by the authority whose root is in TLS_CA_FILE."""

    PRIVATE = "private"
    """Signed by an authority that nobody trusts but whoever reads TLSA records (usage 2)."""

    SELF_SIGNED = "self-signed"
    EXPIRED = "expired"
    """Signed by the public authority; ran out three days ago."""

    OTHER_NAME = "other-name"
    """Signed by the public authority, for another host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A private key and its certificates, the host's own first; the root is not sent."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        """Key and chain in the one file that `ssl.SSLContext.load_cert_chain` takes."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + b"".join(one.public_bytes(Encoding.PEM) for one in self.chain)

    @property
    def spki_sha256(self) -> str:
        """The data of a TLSA record with selector 1 and matching type 1."""
        return spki_sha256(self.chain[0])


def spki_sha256(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate's public key as TLSA records write it."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).hexdigest()


def _name(common_name: str) -> x509.Name:
    # A common name has at most 64 characters; the name that counts is in the SAN.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """One certificate authority: a root, or one signed by `parent`."""

    def __init__(self, name: str, *, now: dt.datetime, parent: Authority | None = None) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._parent = parent
        issuer = parent or self
        issuer_name = _name(name) if parent is None else parent.certificate.subject
        builder = self._builder(_name(name), self._key, issuer_name=issuer_name)
        self.certificate: x509.Certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(_authority_of(issuer.public_key), critical=False)
            .sign(issuer._key, hashes.SHA256())
        )

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key that checks this authority's signatures."""
        return self._key.public_key()

    @property
    def pem(self) -> bytes:
        """This authority's certificate, as a file of trusted roots has it."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self, *names: str, valid_for: dt.timedelta = 90 * DAY, is_root_sent: bool = False
    ) -> Identity:
        """Certify a new key for these host names; a negative `valid_for` is over already."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._leaf(names, key, issuer=self, valid_for=valid_for)
        above = (self.certificate,) if self._parent is not None or is_root_sent else ()
        return Identity(key=key, chain=(leaf, *above))

    def _leaf(
        self,
        names: tuple[str, ...],
        key: ec.EllipticCurvePrivateKey,
        *,
        issuer: Authority,
        valid_for: dt.timedelta,
    ) -> x509.Certificate:
        builder = self._builder(
            _name(names[0]), key, issuer_name=issuer.certificate.subject, valid_for=valid_for
        )
        return _as_server(builder, names, authority_key=issuer.public_key).sign(
            issuer._key, hashes.SHA256()
        )

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        issuer_name: x509.Name,
        valid_for: dt.timedelta = 3650 * DAY,
    ) -> x509.CertificateBuilder:
        return _builder(subject, key, issuer_name=issuer_name, now=self._now, valid_for=valid_for)


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer_name: x509.Name,
    now: dt.datetime,
    valid_for: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + valid_for) - 30 * DAY)
        .not_valid_after(now + valid_for)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _as_server(
    builder: x509.CertificateBuilder,
    names: tuple[str, ...],
    *,
    authority_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_authority_of(authority_key), critical=False)
    )


def _authority_of(key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def self_signed(*names: str, now: dt.datetime) -> Identity:
    """Make a certificate that vouches for itself, as many mail servers show."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(
        _name(names[0]), key, issuer_name=_name(names[0]), now=now, valid_for=365 * DAY
    )
    certificate = _as_server(builder, names, authority_key=key.public_key()).sign(
        key, hashes.SHA256()
    )
    return Identity(key=key, chain=(certificate,))


class Certificates:
    """Every certificate of one lab; the same host name gets the same one each time."""

    def __init__(self, *, now: dt.datetime) -> None:
        self._now = now
        self._identities: dict[tuple[str, Showing], Identity] = {}
        self.root = Authority("Mailweb lab root", now=now)

    @cached_property
    def issuing(self) -> Authority:
        """The public authority that signs hosts; hosts send its certificate too."""
        return Authority("Mailweb lab issuing authority", now=self._now, parent=self.root)

    @cached_property
    def private(self) -> Authority:
        """The authority known from TLSA records only."""
        return Authority("Mailweb lab private authority", now=self._now)

    def identity(self, host: str, showing: Showing) -> Identity:
        """Return the key and certificates that `host` shows."""
        key = (host, showing)
        if key not in self._identities:
            self._identities[key] = self._make(host, showing)
        return self._identities[key]

    def _make(self, host: str, showing: Showing) -> Identity:
        match showing:
            case Showing.PUBLIC:
                return self.issuing.issue(host)
            case Showing.PRIVATE:
                return self.private.issue(host, is_root_sent=True)
            case Showing.SELF_SIGNED:
                return self_signed(host, now=self._now)
            case Showing.EXPIRED:
                return self.issuing.issue(host, valid_for=-3 * DAY)
            case Showing.OTHER_NAME:
                return self.issuing.issue("www." + host.partition(".")[2])
