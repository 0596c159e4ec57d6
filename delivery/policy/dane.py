"""RFC 6698, 7671, 7672: do certificates match TLSA records?

For SMTP only usages 2 and 3 count (RFC 7672 §3.1.3). A leaf is never its own trust anchor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from delivery.policy.certificates import Check, check_anchored, public_key_info
from delivery.policy.facts import Proof, TlsaRecord
from delivery.policy.reasons import Reason

DANE_TA = 2
DANE_EE = 3
CERTIFICATE = 0
PUBLIC_KEY = 1
FULL = 0
DIGESTS = {1: "sha256", 2: "sha512"}
DIGEST_BYTES = {1: 32, 2: 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class DaneCheck:
    """What the TLSA records of a host say about the chain it showed."""

    proofs: frozenset[Proof] = frozenset()
    reason: Reason = Reason.NONE
    detail: str = ""


def parse_record(text: str) -> TlsaRecord | None:
    """Return a TLSA record from its presentation form, or None if it is damaged."""
    parts = text.split()
    try:
        usage, selector, matching_type = (int(part) for part in parts[:3])
        data = bytes.fromhex("".join(parts[3:]))
    except ValueError:
        return None
    return TlsaRecord(usage=usage, selector=selector, matching_type=matching_type, data=data)


def usable(records: Iterable[TlsaRecord]) -> tuple[TlsaRecord, ...]:
    """Return the records that can prove something.

    RFC 7671 §9: where one usage and selector has digests of several kinds, only the strongest
    counts, so that a weaker one can be retired.
    """
    good = [record for record in records if _is_usable(record)]
    strongest: dict[tuple[int, int], int] = {}
    for record in good:
        kind = (record.usage, record.selector)
        strongest[kind] = max(strongest.get(kind, FULL), record.matching_type)
    return tuple(
        record
        for record in good
        if record.matching_type in (FULL, strongest[record.usage, record.selector])
    )


def _is_usable(record: TlsaRecord) -> bool:
    if record.usage not in (DANE_TA, DANE_EE) or record.selector not in (CERTIFICATE, PUBLIC_KEY):
        return False
    if record.matching_type == FULL:
        return _can_be_read(record.selector, record.data)
    return len(record.data) == DIGEST_BYTES.get(record.matching_type)


def _can_be_read(selector: int, data: bytes) -> bool:
    try:
        if selector == CERTIFICATE:
            x509.load_der_x509_certificate(data)
        else:
            load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def check(
    chain: Sequence[x509.Certificate],
    records: Iterable[TlsaRecord],
    *,
    names: Sequence[str],
    now: datetime,
) -> DaneCheck:
    """Return what `records` prove about `chain`.

    `names` are those a certificate under a trust anchor may carry; DANE-EE looks neither at
    names nor at dates (RFC 7672 §3.1.1). One match is enough.
    """
    wanted = usable(records)
    if not wanted:
        return DaneCheck(reason=Reason.TLSA_INVALID, detail="no TLSA record can be used")
    if any(_matches(record, chain[0]) for record in wanted if record.usage == DANE_EE):
        return DaneCheck(proofs=frozenset({Proof.DANE_EE}))
    failed = Check(reason=Reason.VALIDATION_FAILURE, detail="no TLSA record matches the chain")
    for anchor in _anchors(chain, [record for record in wanted if record.usage == DANE_TA]):
        found = check_anchored(chain, anchor, names, now=now)
        if found.holds:
            return DaneCheck(proofs=frozenset({Proof.DANE_TA}))
        failed = found
    return DaneCheck(reason=failed.reason, detail=failed.detail)


def _anchors(
    chain: Sequence[x509.Certificate], records: Sequence[TlsaRecord]
) -> list[x509.Certificate]:
    """Return the trust anchors that `records` name: from the chain above the leaf, or their own."""
    sent = [
        certificate
        for certificate in chain[1:]
        if certificate != chain[0] and any(_matches(record, certificate) for record in records)
    ]
    carried = [
        x509.load_der_x509_certificate(record.data)
        for record in records
        if (record.selector, record.matching_type) == (CERTIFICATE, FULL)
    ]
    return sent + [certificate for certificate in carried if certificate not in (*sent, chain[0])]


def _matches(record: TlsaRecord, certificate: x509.Certificate) -> bool:
    return _shown(certificate, record.selector, record.matching_type) == record.data


def _shown(certificate: x509.Certificate, selector: int, matching_type: int) -> bytes:
    whole = (
        certificate.public_bytes(Encoding.DER)
        if selector == CERTIFICATE
        else public_key_info(certificate)
    )
    return whole if matching_type == FULL else hashlib.new(DIGESTS[matching_type], whole).digest()
