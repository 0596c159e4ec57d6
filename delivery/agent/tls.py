"""TLS for SMTP: any certificate passes the handshake, and every one is examined after it.

PKIX and DANE are always both worked out and recorded, whatever was asked for; policy decides
later what is enough. Contexts are made once.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Protocol, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.verification import Store

from delivery.policy import dane
from delivery.policy.certificates import Check, check_pkix, describe, parse_chain
from delivery.policy.dane import DaneCheck
from delivery.policy.facts import HostFacts, Proof, Starttls, TlsaState, TlsEvidence
from delivery.policy.reasons import Reason

UNREADABLE = (ValueError, IndexError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
"""What damaged certificates make their readers raise; none at all is an empty chain."""

_DER = 2
"""`_ssl.ENCODING_DER`."""


@lru_cache(maxsize=2)
def client_context(*, at_most_1_2: bool = False) -> ssl.SSLContext:
    """Return the shared context: TLS 1.2 or newer, nothing verified in the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if at_most_1_2:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Certificate(Protocol):
    def public_bytes(self, form: int) -> bytes: ...


class _Inner(Protocol):
    def get_unverified_chain(self) -> Sequence[_Certificate] | None: ...


def peer_chain(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return the certificates the server sent as DER, leaf first.

    Python has a public way to the whole chain from 3.13 on only.
    """
    inner = cast("_Inner", getattr(connection, "_sslobj", None))
    sent = inner.get_unverified_chain() if hasattr(inner, "get_unverified_chain") else None
    if sent:
        return tuple(certificate.public_bytes(_DER) for certificate in sent)
    leaf = connection.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()


def server_name(host: HostFacts) -> str | None:
    """Return the name to ask for in SNI: the TLSA base domain if there is DANE (RFC 7672 §8.1)."""
    name = (host.tlsa_names[0] if host.tlsa_names else host.name).rstrip(".")
    labels = name.split(".")
    fits = not name.startswith("[") and all(0 < len(label) < 64 for label in labels)
    return name if fits and name.isascii() else None


def examine(
    connection: ssl.SSLObject,
    host: HostFacts,
    *,
    is_in_sts_policy: bool,
    roots: Store,
    now: datetime,
) -> TlsEvidence:
    """Return what the handshake showed, both ways of proof worked out."""
    cipher = connection.cipher()
    has_tlsa = host.tlsa_state in (TlsaState.USABLE, TlsaState.UNUSABLE)
    by_dane: DaneCheck | None = None
    try:
        encoded = peer_chain(connection)
        chain = parse_chain(encoded)
        certificate = describe(chain[0], encoded[0])
        # RFC 8461 §4.1: PKIX is about the name in the MX record, whatever it is an alias of.
        pkix = check_pkix(chain, host.name, roots=roots, now=now)
        if has_tlsa:
            by_dane = dane.check(chain, host.tlsa, names=host.tlsa_names, now=now)
    except UNREADABLE as error:
        detail = f"the certificate can't be read: {error}"
        certificate = None
        pkix = Check(reason=Reason.CERTIFICATE_NOT_TRUSTED, detail=detail)
        by_dane = DaneCheck(reason=Reason.VALIDATION_FAILURE, detail=detail) if has_tlsa else None
    wrong = by_dane if by_dane is not None else pkix
    return TlsEvidence(
        starttls=Starttls.OFFERED,
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        proofs=_proofs(pkix, by_dane, is_in_sts_policy=is_in_sts_policy),
        reason=wrong.reason,
        detail=wrong.detail,
        pkix_reason=pkix.reason,
        dane_reason=by_dane.reason if by_dane else Reason.NONE,
        certificate=certificate,
    )


def _proofs(pkix: Check, by_dane: DaneCheck | None, *, is_in_sts_policy: bool) -> frozenset[Proof]:
    proofs = by_dane.proofs if by_dane else frozenset()
    if not pkix.holds:
        return proofs
    return proofs | {Proof.STS_PKIX if is_in_sts_policy else Proof.PKIX}


def failed(detail: str, *, reason: Reason = Reason.VALIDATION_FAILURE) -> TlsEvidence:
    """Return the evidence of TLS that was agreed on and did not come about."""
    return TlsEvidence(starttls=Starttls.FAILED, reason=reason, detail=detail)


def why(error: OSError) -> str:
    """Return the words for a handshake that failed."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, (TimeoutError, ConnectionAbortedError)):
        return "no answer during the handshake"
    return "the connection was closed during the handshake"
