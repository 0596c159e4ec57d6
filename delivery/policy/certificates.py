"""Does a certificate prove a name? Chains, names and dates, without a handshake.

`cryptography` decides; its words are kept as detail but never read. Why a certificate proves
nothing is worked out here, in the vocabulary of RFC 8460 §4.3: first the name, then the dates,
then trust.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtensionOID

from delivery.policy.facts import CertificateFacts
from delivery.policy.reasons import Reason

NO_NAMES = (
    ValueError,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What a certificate without readable names raises when it is asked for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The end of one verification; it holds if there is no reason against it."""

    reason: Reason = Reason.NONE
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether the certificate proves the name."""
        return self.reason is Reason.NONE


def parse_chain(encoded: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a chain from their DER forms, leaf first.

    Raises:
        ValueError: one of them can't be read.
    """
    return tuple(x509.load_der_x509_certificate(der) for der in encoded)


def store_of(roots: Iterable[x509.Certificate]) -> verification.Store:
    """Return a store of trusted roots; make it once and keep it."""
    return verification.Store(list(roots))


def check_pkix(
    chain: Sequence[x509.Certificate], name: str, *, roots: verification.Store, now: datetime
) -> Check:
    """Return whether `chain` leads from a trusted root to a certificate for `name`."""
    builder = verification.PolicyBuilder().store(roots).time(now.replace(tzinfo=None))
    return _verify(builder, chain, (name,), now=now)


def check_anchored(
    chain: Sequence[x509.Certificate],
    anchor: x509.Certificate,
    names: Sequence[str],
    *,
    now: datetime,
) -> Check:
    """Return whether `chain` leads from `anchor` to a certificate for one of `names`.

    Anchors that are not public authorities lack much that those must have; only what matters
    for the path is required (RFC 7672 §3.1.2).
    """
    builder = (
        verification.PolicyBuilder()
        .store(verification.Store([anchor]))
        .time(now.replace(tzinfo=None))
        .extension_policies(
            ca_policy=verification.ExtensionPolicy.permit_all().require_present(
                x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
            ),
            ee_policy=verification.ExtensionPolicy.permit_all().require_present(
                x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None
            ),
        )
    )
    return _verify(builder, chain, names, now=now)


def _verify(
    builder: verification.PolicyBuilder,
    chain: Sequence[x509.Certificate],
    names: Sequence[str],
    *,
    now: datetime,
) -> Check:
    leaf, rest = chain[0], list(chain[1:])
    name = next((name for name in names if names_match(dns_names(leaf), name)), "")
    if not name:
        wanted = " or ".join(names)
        shown = ", ".join(dns_names(leaf)) or "no DNS name"
        return Check(
            reason=Reason.CERTIFICATE_HOST_MISMATCH,
            detail=f"the certificate is for {shown}, not for {wanted}",
        )
    try:
        builder.build_server_verifier(x509.DNSName(name)).verify(leaf, rest)
    except (verification.VerificationError, ValueError) as error:
        return _why_not(chain, str(error), now=now)
    return Check()


def _why_not(chain: Sequence[x509.Certificate], words: str, *, now: datetime) -> Check:
    late = next((cert for cert in chain if cert.not_valid_after_utc < now), None)
    if late is None:
        return Check(reason=Reason.CERTIFICATE_NOT_TRUSTED, detail=words)
    expired = f"{late.subject.rfc4514_string()} expired {late.not_valid_after_utc:%Y-%m-%d %H:%M}Z"
    return Check(reason=Reason.CERTIFICATE_EXPIRED, detail=expired)


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names a certificate is for; its common name does not count (RFC 9525)."""
    try:
        found = certificate.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        ).value
    except NO_NAMES:
        return ()
    if not isinstance(found, x509.SubjectAlternativeName):
        return ()
    return tuple(found.get_values_for_type(x509.DNSName))


def names_match(shown: Iterable[str], wanted: str) -> bool:
    """Return whether one of a certificate's names is `wanted`; `*` is one whole first label."""
    name = wanted.rstrip(".").lower()
    _, _, parent = name.partition(".")
    return any(
        pattern == name or (pattern.startswith("*.") and parent != "" and pattern[2:] == parent)
        for pattern in (given.rstrip(".").lower() for given in shown)
    )


def describe(certificate: x509.Certificate, der: bytes) -> CertificateFacts:
    """Return what people can check of a certificate."""
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=dns_names(certificate),
        not_after=certificate.not_valid_after_utc,
        fingerprint=hashlib.sha256(der).hexdigest(),
    )


def public_key_info(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo exactly as the certificate has it.

    Reading the key and writing it again could change its form, and fails for keys of new kinds.
    """
    fields = _parts(_parts(certificate.tbs_certificate_bytes)[0][1])
    # RFC 5280 §4.1: version (explicit tag 0, optional), serial, signature, issuer, validity,
    # subject, subjectPublicKeyInfo.
    has_version = fields[0][0][0] == 0xA0
    head, body = fields[6 if has_version else 5]
    return head + body


def _parts(der: bytes) -> list[tuple[bytes, bytes]]:
    """Split a sequence of DER values into their heads (tag and length) and bodies."""
    parts, at = [], 0
    while at < len(der):
        start, size = at + 2, der[at + 1]
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(der[at + 2 : start], "big")
        parts.append((der[at:start], der[start : start + size]))
        at = start + size
    return parts
