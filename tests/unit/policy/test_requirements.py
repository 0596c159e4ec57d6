"""The two gates: before connecting, and after EHLO."""

from __future__ import annotations

import pytest

from delivery.policy.facts import Dnssec, Proof, Starttls, StsFacts, StsMode, TlsaState
from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.outcome import Result
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from delivery.policy.requirements import (
    BY_DANE,
    BY_PKIX,
    BY_STS,
    Demand,
    Refusal,
    Tls,
    demand,
    judge,
)
from tests.unit.policy.worlds import BARE, DANE, ENFORCE, STS, facts, host, session

DEFAULT = Order()
VERIFIED = Order(mode=Mode.VERIFIED)
REQUIRETLS = Order(mode=Mode.REQUIRETLS)
OPTIONAL = Order(mode=Mode.OPTIONAL)
NEVER_PLAIN = Order(sender=SenderPolicy(allows_plain_text=False))


def ask(order, world):
    return demand(order, world, world.hosts[0])


def test_default_asks_for_nothing_where_nothing_is_published():
    assert ask(DEFAULT, BARE) == Demand()


def test_default_insists_on_dane_where_it_is_published():
    asked = ask(DEFAULT, DANE)
    assert (asked.tls, asked.accepts, asked.by) == (Tls.PROVEN, BY_DANE, Mechanism.DANE)


def test_default_insists_on_an_enforced_mta_sts_policy():
    asked = ask(DEFAULT, STS)
    assert (asked.tls, asked.accepts, asked.by) == (Tls.PROVEN, BY_STS, Mechanism.MTA_STS)


def test_mta_sts_never_rescues_dane():
    asked = ask(DEFAULT, facts(host(TlsaState.USABLE), sts=ENFORCE))
    assert asked.accepts == BY_DANE


def test_testing_mode_is_not_enforced():
    testing = StsFacts(mode=StsMode.TESTING, policy_id="1", mx=("other.test",))
    assert ask(DEFAULT, facts(sts=testing)) == Demand()


def test_unusable_tlsa_records_mean_tls_without_authentication():
    asked = ask(DEFAULT, facts(host(TlsaState.UNUSABLE)))
    assert (asked.tls, asked.accepts, asked.allows_plain_text) == (
        Tls.ENCRYPTED,
        frozenset(),
        False,
    )


def test_a_tlsa_look_up_that_failed_rules_the_host_out_for_now():
    refusal = ask(DEFAULT, facts(host(TlsaState.ERROR)))
    assert isinstance(refusal, Refusal)
    assert (refusal.outcome.result, refusal.stopped_by) == (Result.DEFERRED, Mechanism.DANE)


def test_a_host_outside_the_enforced_policy_is_ruled_out_for_now():
    refusal = ask(DEFAULT, facts(host(name="other.test"), sts=ENFORCE))
    assert isinstance(refusal, Refusal)
    assert refusal.outcome.result is Result.DEFERRED
    assert "other.test" in refusal.outcome.public


def test_tls_optional_sets_every_policy_aside():
    broken = facts(host(TlsaState.ERROR, name="other.test"), sts=ENFORCE)
    assert ask(OPTIONAL, broken) == Demand()


def test_a_pledge_of_verified_tls_outranks_tls_optional():
    pledged = Order(mode=Mode.OPTIONAL, pledge=PledgeKind.VERIFIED)
    assert ask(pledged, DANE).accepts == BY_DANE


def test_an_account_that_never_sends_in_the_clear_asks_for_encryption():
    asked = ask(NEVER_PLAIN, BARE)
    assert (asked.tls, asked.allows_plain_text, asked.by) == (
        Tls.ENCRYPTED,
        False,
        Mechanism.TLS,
    )


def test_a_pledge_that_plain_text_is_fine_outranks_the_account():
    order = Order(pledge=PledgeKind.PLAIN, sender=SenderPolicy(allows_plain_text=False))
    assert ask(order, BARE) == Demand()


def test_verified_rests_on_pkix_where_the_mx_answer_is_signed():
    assert ask(VERIFIED, BARE).accepts == BY_PKIX


def test_verified_needs_more_than_pkix_where_the_mx_answer_is_not_signed():
    refusal = ask(VERIFIED, facts(dnssec=Dnssec.INSECURE))
    assert isinstance(refusal, Refusal)
    assert refusal.outcome.result is Result.FAILED


def test_verified_accepts_pkix_for_an_unsigned_name_if_the_account_says_so():
    order = Order(mode=Mode.VERIFIED, sender=SenderPolicy(accepts_pkix=True))
    assert ask(order, facts(dnssec=Dnssec.INSECURE)).accepts == BY_PKIX


def test_verified_waits_where_our_own_resolver_can_not_tell():
    refusal = ask(VERIFIED, facts(dnssec=Dnssec.UNCHECKED))
    assert isinstance(refusal, Refusal)
    assert refusal.outcome.result is Result.DEFERRED


@pytest.mark.parametrize("world", [DANE, STS], ids=["dane", "mta-sts"])
def test_requiretls_is_possible_where_a_policy_proves_the_server(world):
    assert ask(REQUIRETLS, world).requiretls


@pytest.mark.parametrize(
    "world",
    [BARE, facts(host(TlsaState.UNUSABLE)), facts(host(name="other.test"), sts=ENFORCE)],
    ids=["nothing published", "unusable records", "host outside the policy"],
)
def test_requiretls_is_refused_for_good_where_nothing_proves_the_server(world):
    refusal = ask(REQUIRETLS, world)
    assert isinstance(refusal, Refusal)
    assert (refusal.outcome.result, refusal.outcome.enhanced) == (Result.FAILED, "5.7.30")


@pytest.mark.parametrize("order", [REQUIRETLS, VERIFIED], ids=["requiretls", "verified"])
@pytest.mark.parametrize(
    ("reason", "result"),
    [
        (Reason.STS_POLICY_FETCH_ERROR, Result.DEFERRED),
        (Reason.STS_WEBPKI_INVALID, Result.DEFERRED),
        (Reason.STS_POLICY_INVALID, Result.FAILED),
    ],
)
def test_a_policy_that_can_not_be_had_now_makes_nothing_fail_for_good(order, reason, result):
    unknown = StsFacts(mode=StsMode.ERROR, reason=reason)
    refusal = ask(order, facts(dnssec=Dnssec.INSECURE, sts=unknown))
    assert isinstance(refusal, Refusal)
    assert (refusal.outcome.result, refusal.stopped_by) == (result, Mechanism.TLS)


def test_requiretls_waits_where_dns_gave_no_answer():
    refusal = ask(REQUIRETLS, facts(host(TlsaState.ERROR)))
    assert isinstance(refusal, Refusal)
    assert refusal.outcome.result is Result.DEFERRED


def test_plain_text_passes_only_where_it_is_allowed():
    plain = session(version="", starttls=Starttls.NOT_OFFERED)
    assert judge(Demand(), plain) is None
    refusal = judge(ask(NEVER_PLAIN, BARE), plain)
    assert refusal is not None
    assert refusal.outcome.reason == "starttls-not-supported"


def test_a_proof_of_the_wrong_kind_does_not_pass():
    refusal = judge(ask(DEFAULT, DANE), session(proofs=frozenset({Proof.PKIX})))
    assert refusal is not None
    assert (refusal.outcome.result, refusal.stopped_by) == (Result.DEFERRED, Mechanism.DANE)


def test_any_accepted_proof_passes():
    assert judge(ask(DEFAULT, DANE), session(proofs=frozenset({Proof.DANE_TA}))) is None


def test_requiretls_must_be_announced_over_tls():
    proven = frozenset({Proof.DANE_EE})
    assert judge(ask(REQUIRETLS, DANE), session(proofs=proven, requiretls=True)) is None
    refusal = judge(ask(REQUIRETLS, DANE), session(proofs=proven))
    assert refusal is not None
    assert (refusal.outcome.result, refusal.outcome.enhanced) == (Result.FAILED, "5.7.30")
