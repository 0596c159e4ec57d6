"""What ties a server to the domain it takes mail for."""

from __future__ import annotations

import pytest

from delivery.policy.facts import Dnssec, Proof, proves_server
from delivery.policy.reasons import Reason

SECURE, INSECURE = Dnssec.SECURE, Dnssec.INSECURE
NONE, MISMATCH, UNUSABLE = Reason.NONE, Reason.VALIDATION_FAILURE, Reason.TLSA_INVALID


@pytest.mark.parametrize(
    ("proofs", "mx", "reason", "is_proven"),
    [
        (set(), SECURE, NONE, False),
        ({Proof.DANE_EE}, SECURE, NONE, True),
        ({Proof.DANE_TA, Proof.PKIX}, SECURE, NONE, True),
        ({Proof.PKIX}, SECURE, NONE, True),
        ({Proof.PKIX}, INSECURE, NONE, False),
        ({Proof.PKIX}, Dnssec.UNCHECKED, NONE, False),
        ({Proof.PKIX}, SECURE, MISMATCH, False),
        ({Proof.STS_PKIX}, INSECURE, NONE, True),
        ({Proof.STS_PKIX}, SECURE, MISMATCH, False),
        ({Proof.STS_PKIX}, SECURE, UNUSABLE, True),
    ],
)
def test_a_server_is_proven_by_what_its_domain_relies_on(proofs, mx, reason, is_proven):
    assert proves_server(frozenset(proofs), mx, reason) is is_proven
