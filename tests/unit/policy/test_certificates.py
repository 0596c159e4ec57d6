from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from delivery.policy.certificates import (
    check_pkix,
    describe,
    dns_names,
    names_match,
    parse_chain,
    public_key_info,
    store_of,
)
from delivery.policy.reasons import Reason
from tests.fakes.certificates import Authority, Leaf, self_signed

MX = "mx.dane.test"
PAST = datetime(2026, 6, 1, tzinfo=UTC)
ROOT = Authority()
ROOTS = store_of([ROOT.certificate])


def _reason(leaf: Leaf, now: datetime, name: str = MX) -> Reason:
    return check_pkix(leaf.chain, name, roots=ROOTS, now=now).reason


@pytest.mark.parametrize(
    "leaf",
    [
        pytest.param(ROOT.leaf(MX), id="exact name"),
        pytest.param(ROOT.leaf("MX.Dane.Test"), id="other case"),
        pytest.param(ROOT.leaf("*.dane.test"), id="wildcard"),
        pytest.param(ROOT.leaf("other.test", MX), id="second name"),
        pytest.param(ROOT.below("Issuing").leaf(MX), id="intermediate"),
    ],
)
def test_trusted_certificate_for_the_name_holds(leaf: Leaf, now: datetime):
    assert _reason(leaf, now) is Reason.NONE


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        pytest.param(ROOT.leaf("mx.other.test"), Reason.CERTIFICATE_HOST_MISMATCH, id="wrong name"),
        pytest.param(
            ROOT.leaf(common_name=MX), Reason.CERTIFICATE_HOST_MISMATCH, id="common name only"
        ),
        pytest.param(
            ROOT.leaf("*.mx.dane.test"), Reason.CERTIFICATE_HOST_MISMATCH, id="wildcard too deep"
        ),
        pytest.param(ROOT.leaf(MX, until=PAST), Reason.CERTIFICATE_EXPIRED, id="leaf expired"),
        pytest.param(
            ROOT.below("Old", until=PAST).leaf(MX),
            Reason.CERTIFICATE_EXPIRED,
            id="intermediate expired",
        ),
        pytest.param(
            ROOT.leaf(MX, since=datetime(2029, 1, 1, tzinfo=UTC)),
            Reason.CERTIFICATE_NOT_TRUSTED,
            id="not yet valid",
        ),
        pytest.param(self_signed(MX), Reason.CERTIFICATE_NOT_TRUSTED, id="self-signed"),
        pytest.param(
            Authority("Private").leaf(MX), Reason.CERTIFICATE_NOT_TRUSTED, id="private authority"
        ),
        pytest.param(
            ROOT.below("Hidden").leaf(MX, sends=()),
            Reason.CERTIFICATE_NOT_TRUSTED,
            id="intermediate not sent",
        ),
        pytest.param(
            ROOT.leaf(MX, usage=ExtendedKeyUsageOID.CLIENT_AUTH),
            Reason.CERTIFICATE_NOT_TRUSTED,
            id="for clients only",
        ),
        pytest.param(
            Authority("Private").leaf("mx.other.test"),
            Reason.CERTIFICATE_HOST_MISMATCH,
            id="private authority and wrong name",
        ),
        pytest.param(
            ROOT.leaf("mx.other.test", until=PAST),
            Reason.CERTIFICATE_HOST_MISMATCH,
            id="expired and wrong name",
        ),
    ],
)
def test_reason_is_worked_out_in_the_order_name_dates_trust(
    leaf: Leaf, reason: Reason, now: datetime
):
    assert _reason(leaf, now) is reason


def test_detail_of_an_expired_certificate_names_it_and_the_date(now: datetime):
    found = check_pkix(ROOT.leaf(MX, until=PAST).chain, MX, roots=ROOTS, now=now)
    assert found.detail == "CN=x expired 2026-06-01 00:00Z"


def test_name_that_is_no_host_name_is_a_failure_not_an_exception(now: datetime):
    assert not check_pkix(ROOT.leaf("a..b").chain, "a..b", roots=ROOTS, now=now).holds


@pytest.mark.parametrize(
    ("shown", "wanted", "does"),
    [
        ("mx.dane.test", "mx.dane.test.", True),
        ("*.dane.test", "mx.dane.test", True),
        ("*.dane.test", "dane.test", False),
        ("*.dane.test", "a.mx.dane.test", False),
        ("m*.dane.test", "mx.dane.test", False),
        ("*", "test", False),
        ("*.", "test", False),
    ],
)
def test_wildcard_stands_for_one_whole_first_label(shown: str, wanted: str, does: bool):
    assert names_match([shown], wanted) is does


def test_certificate_is_described_for_people():
    leaf = ROOT.leaf(MX, common_name=MX)
    der = leaf.certificate.public_bytes(Encoding.DER)
    facts = describe(leaf.certificate, der)
    assert (facts.subject, facts.issuer, facts.names) == (f"CN={MX}", "CN=Root", (MX,))
    assert facts.not_after == datetime(2030, 1, 1, tzinfo=UTC)
    assert len(facts.fingerprint) == 64


def test_certificate_without_names_has_none():
    assert dns_names(self_signed().certificate) == ()


def test_public_key_is_taken_as_the_certificate_has_it():
    certificate = ROOT.leaf(MX).certificate
    expected = certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    assert public_key_info(certificate) == expected


def test_chain_that_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="parsing"):
        parse_chain([b"not a certificate"])
