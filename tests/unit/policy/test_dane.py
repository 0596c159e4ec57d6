from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from delivery.policy.dane import DaneCheck, check, parse_record, usable
from delivery.policy.facts import Proof, TlsaRecord
from delivery.policy.reasons import Reason
from tests.fakes.certificates import Authority, Leaf, self_signed

MX = "mx.dane.test"
PAST = datetime(2026, 6, 1, tzinfo=UTC)
ROOT = Authority()
MIDDLE = ROOT.below("Middle")
ISSUING = MIDDLE.below("Issuing")
LEAF = ISSUING.leaf(MX)
OTHER = Authority("Other")

PAIRS = [(selector, matching) for selector in (0, 1) for matching in (0, 1, 2)]


def tlsa(
    usage: int, selector: int, matching: int, certificate: x509.Certificate | None
) -> TlsaRecord:
    if certificate is None:
        whole = b"nothing like it"
    elif selector == 0:
        whole = certificate.public_bytes(Encoding.DER)
    else:
        key = certificate.public_key()
        whole = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = {0: lambda: whole, 1: hashlib.sha256(whole).digest, 2: hashlib.sha512(whole).digest}
    return TlsaRecord(
        usage=usage, selector=selector, matching_type=matching, data=digest[matching]()
    )


def _check(leaf: Leaf, *records: TlsaRecord, now: datetime, names: tuple[str, ...] = (MX,)):
    return check(leaf.chain, records, names=names, now=now)


@pytest.mark.parametrize(("selector", "matching"), PAIRS)
@pytest.mark.parametrize(
    "leaf",
    [
        pytest.param(LEAF, id="good"),
        pytest.param(ISSUING.leaf("mx.other.test"), id="wrong name"),
        pytest.param(ISSUING.leaf(MX, until=PAST), id="expired"),
        pytest.param(ISSUING.leaf(), id="nameless"),
        pytest.param(self_signed(MX), id="self-signed"),
        pytest.param(self_signed(until=PAST), id="self-signed, nameless, expired"),
    ],
)
def test_usage_3_looks_at_nothing_but_the_leaf(
    leaf: Leaf, selector: int, matching: int, now: datetime
):
    found = _check(leaf, tlsa(3, selector, matching, leaf.certificate), now=now)
    assert found == DaneCheck(proofs=frozenset({Proof.DANE_EE}))


@pytest.mark.parametrize(("selector", "matching"), PAIRS)
@pytest.mark.parametrize(
    "anchor",
    [
        pytest.param(ROOT, id="root"),
        pytest.param(MIDDLE, id="upper intermediate"),
        pytest.param(ISSUING, id="lower intermediate"),
    ],
)
def test_usage_2_accepts_any_authority_of_the_chain(
    anchor: Authority, selector: int, matching: int, now: datetime
):
    found = _check(LEAF, tlsa(2, selector, matching, anchor.certificate), now=now)
    assert found.proofs == {Proof.DANE_TA}


def test_usage_2_works_with_a_full_certificate_that_is_not_sent(now: datetime):
    leaf = ROOT.leaf(MX, sends=())
    assert _check(leaf, tlsa(2, 0, 0, ROOT.certificate), now=now).proofs == {Proof.DANE_TA}


@pytest.mark.parametrize(("selector", "matching"), PAIRS[1:])
def test_usage_2_fails_if_the_authority_is_not_sent(selector: int, matching: int, now: datetime):
    leaf = ROOT.leaf(MX, sends=())
    found = _check(leaf, tlsa(2, selector, matching, ROOT.certificate), now=now)
    assert (found.proofs, found.reason) == (frozenset(), Reason.VALIDATION_FAILURE)


@pytest.mark.parametrize(("selector", "matching"), PAIRS)
@pytest.mark.parametrize(
    "leaf", [pytest.param(LEAF, id="issued"), pytest.param(self_signed(MX), id="self-signed")]
)
def test_usage_2_that_matches_the_leaf_is_refused(
    leaf: Leaf, selector: int, matching: int, now: datetime
):
    assert not _check(leaf, tlsa(2, selector, matching, leaf.certificate), now=now).proofs


def test_leaf_sent_twice_is_still_not_its_own_authority(now: datetime):
    alone = self_signed(MX)
    twice = Leaf(chain=alone.chain * 2, key=alone.key)
    assert not _check(twice, tlsa(2, 0, 1, alone.certificate), now=now).proofs


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        pytest.param(
            ISSUING.leaf("mx.other.test"), Reason.CERTIFICATE_HOST_MISMATCH, id="wrong name"
        ),
        pytest.param(ISSUING.leaf(), Reason.CERTIFICATE_HOST_MISMATCH, id="nameless"),
        pytest.param(ISSUING.leaf(MX, until=PAST), Reason.CERTIFICATE_EXPIRED, id="expired"),
    ],
)
def test_usage_2_checks_name_and_dates(leaf: Leaf, reason: Reason, now: datetime):
    found = _check(leaf, tlsa(2, 0, 1, ROOT.certificate), now=now)
    assert (found.proofs, found.reason) == (frozenset(), reason)


def test_usage_2_accepts_the_recipient_domain_as_name(now: datetime):
    leaf = ROOT.leaf("dane.test")
    record = tlsa(2, 0, 1, ROOT.certificate)
    assert _check(leaf, record, now=now, names=(MX, "dane.test")).proofs == {Proof.DANE_TA}


def test_usage_2_of_another_authority_with_the_same_name_fails(now: datetime):
    twin = Authority("Root")
    leaf = Leaf(chain=(*LEAF.chain[:-1], twin.certificate), key=LEAF.key)
    assert not _check(leaf, tlsa(2, 0, 1, twin.certificate), now=now).proofs


def test_one_match_is_enough_during_a_roll_over(now: datetime):
    found = _check(LEAF, tlsa(3, 1, 1, None), tlsa(3, 1, 1, LEAF.certificate), now=now)
    assert found.proofs == {Proof.DANE_EE}


def test_usage_2_serves_when_usage_3_does_not_match(now: datetime):
    found = _check(LEAF, tlsa(3, 1, 1, None), tlsa(2, 1, 1, ROOT.certificate), now=now)
    assert found.proofs == {Proof.DANE_TA}


def test_mismatch_is_a_validation_failure(now: datetime):
    found = _check(LEAF, tlsa(3, 1, 1, OTHER.certificate), now=now)
    assert found.reason is Reason.VALIDATION_FAILURE
    assert found.detail == "no TLSA record matches the chain"


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(tlsa(0, 1, 1, ROOT.certificate), id="usage 0"),
        pytest.param(tlsa(1, 1, 1, LEAF.certificate), id="usage 1"),
        pytest.param(tlsa(3, 2, 1, LEAF.certificate), id="unknown selector"),
        pytest.param(
            TlsaRecord(usage=3, selector=1, matching_type=3, data=bytes(32)), id="unknown digest"
        ),
        pytest.param(
            TlsaRecord(usage=3, selector=1, matching_type=1, data=bytes(31)), id="short digest"
        ),
        pytest.param(
            TlsaRecord(usage=3, selector=1, matching_type=2, data=bytes(32)), id="wrong length"
        ),
        pytest.param(
            TlsaRecord(usage=2, selector=0, matching_type=0, data=b"?"), id="no certificate"
        ),
        pytest.param(TlsaRecord(usage=3, selector=1, matching_type=0, data=b"?"), id="no key"),
    ],
)
def test_unusable_record_proves_nothing_even_if_it_matches(record: TlsaRecord, now: datetime):
    assert usable([record]) == ()
    assert _check(LEAF, record, now=now).reason is Reason.TLSA_INVALID


def test_stronger_digest_overrules_a_weaker_one_of_the_same_kind(now: datetime):
    # RFC 7671 §9: else a forged certificate could use the digest that was broken.
    weak, strong = tlsa(3, 1, 1, LEAF.certificate), tlsa(3, 1, 2, None)
    assert usable([weak, strong]) == (strong,)
    assert not _check(LEAF, weak, strong, now=now).proofs


def test_digests_of_different_kinds_do_not_overrule_each_other():
    records = (tlsa(3, 1, 1, LEAF.certificate), tlsa(2, 0, 2, ROOT.certificate))
    assert usable(records) == records


def test_full_data_is_not_a_digest_and_always_counts():
    records = (tlsa(3, 1, 0, LEAF.certificate), tlsa(3, 1, 2, LEAF.certificate))
    assert usable(records) == records


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("3 1 1 0a0b", TlsaRecord(usage=3, selector=1, matching_type=1, data=b"\x0a\x0b")),
        ("2 0 2 0a 0B", TlsaRecord(usage=2, selector=0, matching_type=2, data=b"\x0a\x0b")),
        ("3 1", None),
        ("3 1 1 0x", None),
        ("a b c 00", None),
    ],
)
def test_record_is_read_from_its_text(text: str, record: TlsaRecord | None):
    assert parse_record(text) == record
