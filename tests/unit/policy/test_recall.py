"""Foreseeing from the last session with each host, read under what is published today."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.policy.bars import BarKey, BarState, bars_for
from delivery.policy.choice import Case, choose
from delivery.policy.facts import (
    DnsFailure,
    Dnssec,
    HostFacts,
    Proof,
    Starttls,
    StsFacts,
    StsMode,
    TlsaState,
)
from delivery.policy.modes import BrokenTls, Mode, Order, SenderPolicy
from delivery.policy.outcome import Result
from delivery.policy.reasons import Reason
from delivery.policy.recall import recall
from delivery.policy.record import MOST_HOSTS, DomainRecord, Mechanism, Seen, Track
from delivery.policy.verdict import Way, foresee
from tests.unit.policy.worlds import BARE, DANE, ENFORCE, NOW, STS, facts, host, record, seen

BY_CERTIFICATE = {"proofs": frozenset({Proof.PKIX})}
BY_DANE = {"proofs": frozenset({Proof.DANE_EE})}
MISMATCH = {"dane_reason": Reason.VALIDATION_FAILURE}
PLAIN = {"starttls": Starttls.NOT_OFFERED}
UNSIGNED = facts(dnssec=Dnssec.INSECURE)
UNSIGNED_STS = facts(dnssec=Dnssec.INSECURE, sts=ENFORCE)
A, B = "a.x.test", "b.x.test"


def way(world, known, order=Order()):  # noqa: B008
    return foresee(order, world, known, NOW).way


def outcome(world, known, order=Order()):  # noqa: B008
    forecast = foresee(order, world, known, NOW)
    return forecast.result, forecast.stopped_by, forecast.reason


# Under today's facts


def test_a_trusted_certificate_becomes_proof_once_a_policy_names_the_host():
    known = record(seen(**BY_CERTIFICATE))
    assert way(UNSIGNED, known) is Way.TLS
    assert way(UNSIGNED_STS, known) is Way.VERIFIED
    assert recall(known, UNSIGNED_STS, host(), NOW).tls.proofs == {Proof.STS_PKIX}


def test_proof_by_mta_sts_is_a_certificate_again_once_the_policy_is_gone():
    known = record(seen(proofs=frozenset({Proof.STS_PKIX})))
    assert recall(known, UNSIGNED, host(), NOW).tls.proofs == {Proof.PKIX}
    assert way(UNSIGNED, known) is Way.TLS


def test_proof_by_dane_counts_only_while_records_are_published():
    known = record(seen(**BY_DANE))
    assert way(DANE, known) is Way.VERIFIED
    assert recall(known, BARE, host(), NOW).tls.proofs == frozenset()
    assert way(BARE, known) is Way.TLS


def test_a_certificate_never_compared_with_records_neither_meets_nor_fails_them():
    forecast = foresee(Order(), DANE, record(seen(**BY_CERTIFICATE)), NOW)
    assert (forecast.way, forecast.result) == (Way.VERIFIED, None)


@pytest.mark.parametrize(
    ("world", "shown", "expected"),
    [
        (DANE, MISMATCH, (Result.DEFERRED, Mechanism.DANE, Reason.VALIDATION_FAILURE)),
        (DANE, PLAIN, (Result.DEFERRED, Mechanism.DANE, Reason.STARTTLS_NOT_SUPPORTED)),
        (
            STS,
            {"pkix_reason": Reason.CERTIFICATE_EXPIRED},
            (Result.DEFERRED, Mechanism.MTA_STS, Reason.CERTIFICATE_EXPIRED),
        ),
        (STS, PLAIN, (Result.DEFERRED, Mechanism.MTA_STS, Reason.STARTTLS_NOT_SUPPORTED)),
        (STS, BY_CERTIFICATE, (Result.DELIVERED, Mechanism.NONE, Reason.NONE)),
    ],
    ids=["dane mismatch", "dane, no tls", "sts, expired", "sts, no tls", "sts met"],
)
def test_a_check_alone_shows_whether_a_policy_is_met(world, shown, expected):
    assert outcome(world, record(seen(delivered=False, **shown))) == expected


def test_requiretls_that_was_not_announced_is_refused_for_good_whatever_is_proven():
    order = Order(mode=Mode.REQUIRETLS)
    refused = (Result.FAILED, Mechanism.TLS, Reason.NONE)
    assert outcome(DANE, record(seen(**BY_DANE)), order) == refused
    assert outcome(DANE, record(seen(**BY_CERTIFICATE)), order) == refused


# Several hosts


def test_each_host_is_judged_by_its_own_last_session():
    world = facts(host(name=A), host(name=B))
    known = record(seen(host=A, **BY_CERTIFICATE), seen(host=B, **PLAIN))
    order = Order(mode=Mode.VERIFIED)
    forecast = foresee(order, world, known, NOW)
    assert (forecast.way, forecast.proofs) == (Way.VERIFIED, {Proof.PKIX})


def test_a_host_that_would_not_get_it_is_passed_over():
    world = facts(host(TlsaState.USABLE, name=A), host(TlsaState.USABLE, name=B))
    known = record(seen(host=A, **MISMATCH), seen(host=B, **BY_DANE))
    assert outcome(world, known) == (Result.DELIVERED, Mechanism.NONE, Reason.NONE)


def test_a_final_refusal_counts_only_if_every_host_gives_one():
    world = facts(host(TlsaState.USABLE, name=A), host(name=B))
    known = record(seen(host=A, **MISMATCH), seen(host=B, **BY_CERTIFICATE))
    assert outcome(world, known, Order(mode=Mode.REQUIRETLS))[0] is Result.DEFERRED
    repaired = known.after(seen(host=A, days_ago=0, **BY_DANE))
    assert outcome(world, repaired, Order(mode=Mode.REQUIRETLS))[0] is Result.FAILED


def test_a_host_never_spoken_to_is_taken_to_be_like_the_last_one():
    world = facts(host(name="new.x.test"))
    assert way(world, record(seen(host=A, days_ago=2, **PLAIN), seen(host=B))) is Way.TLS


def test_sessions_are_kept_for_the_hosts_spoken_to_last():
    known = record(*(seen(host=f"{number}.x.test", days_ago=50 - number) for number in range(12)))
    again = known.after(seen(host="5.x.test", days_ago=0, **PLAIN))
    assert len(known.latest) == len(again.latest) == MOST_HOSTS
    assert [one.host for one in again.latest[:2]] == ["5.x.test", "11.x.test"]
    assert again.latest[0].starttls is Starttls.NOT_OFFERED


def test_a_session_too_old_to_count_is_not_recalled():
    assert recall(record(seen(days_ago=181)), BARE, host(), NOW) is None


# Hosts without addresses


def nowhere(failure):
    return HostFacts(name="mx.x.test", preference=10, failure=failure)


@pytest.mark.parametrize(
    ("world", "result"),
    [
        (facts(nowhere(DnsFailure.NO_ADDRESS)), Result.DEFERRED),
        (facts(nowhere(DnsFailure.SERVFAIL)), Result.DEFERRED),
        (replace(facts(nowhere(DnsFailure.NO_ADDRESS)), is_implicit_mx=True), Result.FAILED),
        (replace(facts(nowhere(DnsFailure.SERVFAIL)), is_implicit_mx=True), Result.DEFERRED),
        (replace(BARE, hosts=(), failure=DnsFailure.OWN_HOST), Result.FAILED),
        (replace(BARE, hosts=()), Result.DEFERRED),
    ],
    ids=["none", "no answer", "no server at all", "implicit, no answer", "ourselves", "no host"],
)
def test_a_domain_without_a_way_to_it_is_told_before_sending(world, result):
    forecast = foresee(Order(), world, None, NOW)
    assert forecast.result is result
    assert (forecast.way is Way.NOT_SENT) is forecast.is_final


def test_a_host_without_an_address_leaves_the_next_one():
    world = facts(nowhere(DnsFailure.NO_ADDRESS), host(name=B))
    assert way(world, record(seen(host=B))) is Way.TLS


# Records from before sessions were kept


def tracks(**changes):
    """Return a record that has counters and no sessions."""
    track = Track(state=Seen.YES, since=NOW, seen_at=NOW, hits=3, sessions=3)
    return replace(DomainRecord(domain="x.test", starttls=track, last_host="mx.x.test"), **changes)


@pytest.mark.parametrize(
    ("world", "known", "expected"),
    [
        (UNSIGNED, tracks(), Way.TLS),
        (UNSIGNED_STS, tracks(), Way.VERIFIED),
        (BARE, tracks(proven=tracks().starttls), Way.VERIFIED),
        (DANE, tracks(stopped_by=Mechanism.DANE), Way.NOT_SENT),
        (STS, tracks(stopped_by=Mechanism.MTA_STS), Way.NOT_SENT),
        (BARE, tracks(starttls=replace(tracks().starttls, state=Seen.NO)), Way.PLAIN),
        (BARE, tracks(starttls=replace(tracks().starttls, state=Seen.FAILED)), Way.PLAIN),
        (BARE, DomainRecord(domain="x.test"), Way.UNKNOWN),
    ],
)
def test_counters_alone_still_tell_the_way(world, known, expected):
    assert way(world, known) is expected


def test_counters_alone_still_tell_requiretls():
    known = tracks(requiretls=tracks().starttls)
    assert recall(known, DANE, host(), NOW).offers_requiretls


# Bars and the choice


def state(key, known, world):
    return next(bar for bar in bars_for(known, world, NOW) if bar.key is key)


def test_a_check_alone_shows_a_certificate_that_does_not_match():
    bar = state(BarKey.DANE, record(seen(delivered=False, **MISMATCH)), DANE)
    assert (bar.state, bar.host, bar.sessions) == (BarState.FAILED, "mx.x.test", 1)
    assert bar.reason is Reason.VALIDATION_FAILURE


def test_a_check_after_the_repair_shows_the_bar_whole_again():
    stopped = record(seen(days_ago=3, stopped_by=Mechanism.DANE))
    assert state(BarKey.DANE, stopped, DANE).state is BarState.FAILED
    repaired = stopped.after(seen(delivered=False, **BY_DANE))
    assert state(BarKey.DANE, repaired, DANE).state is BarState.YES


def test_a_host_outside_the_policy_does_not_spoil_its_bar():
    world = facts(host(), host(name=B), sts=ENFORCE)
    known = record(seen(**BY_CERTIFICATE), seen(host=B, **PLAIN))
    assert state(BarKey.MTA_STS, known, world).state is BarState.YES


def test_dane_of_a_domain_that_dnssec_refutes_is_not_known():
    refuted = replace(facts(dnssec=Dnssec.BOGUS), hosts=(), failure=DnsFailure.SERVFAIL)
    assert state(BarKey.DANE, None, refuted).state is BarState.ERROR
    nobody = replace(BARE, hosts=(), failure=DnsFailure.NULL_MX)
    assert state(BarKey.DANE, None, nobody).state is BarState.NO


def chosen(known, world=DANE, on_broken_tls=BrokenTls.ASK):
    return choose(
        (Case(address="a@x.test", domain="x.test", facts=world, record=known),),
        by_hand=None,
        sender=SenderPolicy(),
        on_broken_tls=on_broken_tls,
        is_list_reply=False,
        now=NOW,
    )


ANNOUNCED = {"requiretls": True, "is_proven": True}


def test_a_check_that_shows_a_broken_policy_asks_before_anything_fails():
    choice = chosen(record(seen(delivered=False, requiretls=True, **MISMATCH)))
    assert (choice.mode, choice.copies[0].mode) == (Mode.DEFAULT, Mode.OPTIONAL)
    assert choice.copies[0].needs_consent


def test_a_copy_that_went_without_does_not_hide_that_the_policy_is_broken():
    known = record(seen(days_ago=2, stopped_by=Mechanism.DANE), seen(**MISMATCH))
    assert known.stopped_by is Mechanism.NONE
    copy = chosen(known, on_broken_tls=BrokenTls.AUTOMATIC).copies[0]
    assert (copy.mode, copy.forecast.way) == (Mode.OPTIONAL, Way.TLS)


def test_a_look_up_that_fails_for_a_moment_sets_no_policy_aside():
    silent = facts(host(TlsaState.ERROR))
    copy = chosen(record(seen(**BY_DANE)), silent, BrokenTls.AUTOMATIC).copies[0]
    assert (copy.mode, copy.forecast.stopped_by) == (Mode.DEFAULT, Mechanism.DANE)


def test_requiretls_is_not_chosen_where_the_host_that_is_left_did_not_announce_it():
    world = facts(host(TlsaState.USABLE, name=B))
    known = record(seen(host=B, days_ago=2, **BY_DANE), seen(host=A, **ANNOUNCED))
    choice = chosen(known, world)
    assert choice.mode is Mode.DEFAULT
    assert "did not come up to it" in choice.because


@pytest.mark.parametrize("last", [Starttls.FAILED, Starttls.NOT_OFFERED])
def test_requiretls_is_not_chosen_where_tls_did_not_come_up(last):
    known = record(seen(days_ago=2, **ANNOUNCED), seen(starttls=last))
    choice = chosen(known, BARE)
    assert choice.mode is Mode.DEFAULT
    assert "last session" in choice.because


def test_a_policy_in_testing_is_no_demand():
    testing = StsFacts(mode=StsMode.TESTING, policy_id="1", mx=("mx.x.test",))
    assert way(facts(dnssec=Dnssec.INSECURE, sts=testing), record(seen())) is Way.TLS
