"""Claims, leases, outcomes, and the evidence kept with them."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from delivery import claims, evidence, ledger, stored
from delivery.models import (
    Attempt,
    DomainEvidence,
    DomainLookup,
    Recipient,
    RecipientAttempt,
    State,
)
from delivery.policy.facts import Proof, Starttls
from delivery.policy.modes import Mode
from delivery.policy.record import DomainRecord, Mechanism, Seen
from delivery.shares import Room
from tests.delivery.factories import (
    ACCEPTED,
    CONTENT,
    LATER,
    REFUSED,
    claimed,
    held,
    queued,
    report,
    settled,
)

pytestmark = pytest.mark.django_db


def run(now, **showed):
    """Deliver all that is due, with one session a job."""
    claim = claimed(now)
    reports = [report(job, now, **showed) for job in claims.jobs_from(claim, claim.copies)]
    ledger.record(copies=held(claim), reports=reports, now=now, jitter=0.0)


def test_a_copy_is_claimed_once(alice, now):
    queued("a@x.test", "b@y.test", owner=alice, now=now)
    assert len(claimed(now, limit=1).copies) == 1
    assert len(claimed(now).copies) == 1
    assert claimed(now).copies == ()


def test_copies_to_the_same_domain_are_claimed_together_whatever_the_batch(alice, now):
    addresses = [f"a{number}@x.test" for number in range(30)]
    queued(*addresses, owner=alice, now=now)
    claim = claimed(now, limit=7)
    assert len(claim.copies) == 30
    (job,) = claims.jobs_from(claim, claim.copies)
    assert len(job.recipients) == 30


def test_copies_with_different_modes_are_different_jobs(alice, now):
    message = queued("a@x.test", "b@x.test", owner=alice, now=now)
    message.recipients.filter(address="b@x.test").update(mode=Mode.OPTIONAL)
    claim = claimed(now)
    assert len(claims.jobs_from(claim, claim.copies)) == 2


def test_an_abandoned_copy_goes_back_to_the_queue_and_a_held_lease_does_not(alice, now):
    queued(owner=alice, now=now)
    claimed(now, lease_seconds=60)
    assert claims.reclaim_abandoned(now=now + timedelta(seconds=59)) == 0
    assert claims.reclaim_abandoned(now=now + timedelta(seconds=61)) == 1
    assert Recipient.objects.get().state == State.QUEUED


def test_a_renewed_lease_is_not_abandoned(alice, now):
    queued(owner=alice, now=now)
    claim = claimed(now)
    other = uuid.uuid4()
    until = now + timedelta(seconds=300)
    assert claims.renew(leases=[claim.lease, other], lease_until=until) == {claim.lease}
    assert claims.reclaim_abandoned(now=now + timedelta(seconds=200)) == 0


def test_an_outcome_counts_only_while_the_lease_is_held(alice, now):
    queued(owner=alice, now=now)
    late = claimed(now)
    claims.reclaim_abandoned(now=now + timedelta(seconds=61))
    settled(late, REFUSED, now)
    assert Recipient.objects.get().state == State.QUEUED


def test_a_deferred_copy_waits_and_keeps_the_whole_reply(alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), LATER, now)
    copy = message.recipients.get()
    assert (copy.state, copy.last_reply) == (State.WAITING, "451 4.7.1 later")
    assert copy.next_attempt_at == now + timedelta(minutes=1)


def test_a_copy_that_was_deferred_too_long_fails_with_its_last_reply(alice, now):
    message = queued(owner=alice, now=now)
    later = now + timedelta(hours=121)
    settled(claimed(later), LATER, later)
    copy = message.recipients.get()
    assert (copy.state, copy.enhanced, copy.last_reply) == (
        State.FAILED,
        "5.4.7",
        "451 4.7.1 later",
    )


def test_a_refused_copy_fails_with_every_line_of_the_reply(alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    copy = message.recipients.get()
    assert (copy.state, copy.notice_due) == (State.FAILED, True)
    assert copy.last_reply == "550-5.1.1 no\n550 5.1.1 such user"


def test_overdue_copies_fail_without_another_try(alice, now):
    queued(owner=alice, now=now)
    assert ledger.expire(now=now + timedelta(hours=121)) == 1
    assert Recipient.objects.get().enhanced == "5.4.7"


def test_open_pages_hear_of_overdue_copies(alice, now, monkeypatch):
    message, told = queued(owner=alice, now=now), []
    monkeypatch.setattr(ledger.services, "tell_owners", told.append)
    ledger.expire(now=now + timedelta(hours=121))
    assert told == [{message.pk}]


def test_each_session_is_kept_with_what_it_showed(alice, now):
    message = queued("a@x.test", "b@x.test", owner=alice, now=now, mode=Mode.REQUIRETLS)
    run(now, requiretls=True, proofs=frozenset({Proof.DANE_EE}))
    attempt = Attempt.objects.get()
    assert (attempt.owner, attempt.message, attempt.mx) == (alice, message, "mx.x.test")
    assert (attempt.starttls, attempt.tls_version) == ("offered", "TLSv1.3")
    assert attempt.verified_by == ["dane-ee"]
    assert attempt.requiretls_used
    assert RecipientAttempt.objects.filter(attempt=attempt, outcome="delivered").count() == 2
    assert set(message.recipients.values_list("last_attempt", flat=True)) == {attempt.pk}


def test_the_record_of_a_domain_is_the_fold_of_its_attempts(alice, now):
    for day, starttls in enumerate([Starttls.OFFERED, Starttls.OFFERED, Starttls.NOT_OFFERED]):
        moment = now + timedelta(days=day)
        queued(owner=alice, now=moment)
        run(moment, starttls=starttls)
    kept = stored.record_from(DomainEvidence.objects.get(owner=alice, domain="x.test"))
    assert (kept.starttls.hits, kept.starttls.sessions, kept.starttls.was_yes) == (2, 3, True)
    assert (kept.starttls.state, kept.deliveries) == (Seen.NO, 3)


def test_what_stopped_a_message_is_remembered(alice, now):
    queued(owner=alice, now=now)
    run(now, outcome=LATER, stopped_by=Mechanism.DANE)
    assert DomainEvidence.objects.get().stopped_by == "dane"


def test_evidence_belongs_to_the_account_that_sent(alice, bob, now):
    queued(owner=alice, now=now)
    queued(owner=bob, now=now)
    run(now)
    assert {row.owner for row in DomainEvidence.objects.all()} == {alice, bob}
    assert DomainEvidence.objects.get(owner=alice).starttls_sessions == 1


def test_mail_without_an_owner_leaves_attempts_and_no_record(now):
    queued(owner=None, now=now)
    run(now)
    assert Attempt.objects.get().owner is None
    assert not DomainEvidence.objects.exists()


def test_the_facts_of_a_delivery_are_kept_for_the_bars(alice, now):
    queued(owner=alice, now=now)
    run(now)
    assert DomainLookup.objects.get().domain == "x.test"


def test_a_failure_to_keep_evidence_never_fails_a_delivery(alice, now, monkeypatch, caplog):
    message = queued(owner=alice, now=now)

    def broken(**_: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(evidence, "add", broken)
    run(now)
    assert message.recipients.get().state == State.DELIVERED
    assert "evidence not kept" in caplog.text


def test_a_record_survives_being_stored(alice, now):
    queued(owner=alice, now=now)
    run(now, requiretls=True, proofs=frozenset({Proof.PKIX}))
    row = DomainEvidence.objects.get()
    record = stored.record_from(row)
    columns = stored.columns_of(record)
    assert all(getattr(row, name) == value for name, value in columns.items())
    assert isinstance(record, DomainRecord)


def test_recording_two_hundred_messages_costs_few_queries(
    alice, now, django_assert_max_num_queries
):
    for _ in range(200):
        queued(owner=alice, now=now)
    claim = claimed(now, limit=200)
    reports = [report(job, now) for job in claims.jobs_from(claim, claim.copies)]
    with django_assert_max_num_queries(420):
        ledger.record(copies=held(claim), reports=reports, now=now, jitter=0.0)


def test_many_copies_settle_in_one_statement_each(alice, now):
    queued(*[f"a{number}@x.test" for number in range(50)], owner=alice, now=now)
    settled(claimed(now), ACCEPTED, now)
    assert set(Recipient.objects.values_list("state", flat=True)) == {State.DELIVERED}


def test_a_bug_in_keeping_evidence_does_not_cost_the_outcome(alice, now, monkeypatch):
    queued(owner=alice, now=now)
    monkeypatch.setattr(evidence, "_row", lambda *_: {}["a bug"])
    run(now)
    assert Recipient.objects.get().state == State.DELIVERED
    assert not Attempt.objects.exists()


def test_a_claim_passes_over_those_who_have_their_share(alice, bob, now):
    queued("a@full.test", owner=alice, now=now)
    queued("b@x.test", owner=alice, now=now)
    queued("c@x.test", owner=bob, now=now)
    queued("d@x.test", owner=None, now=now)
    room = Room(full_domains=frozenset({"full.test"}), full_owners=frozenset({alice.pk}))
    assert [one.address for one in claimed(now, room=room).copies] == ["c@x.test", "d@x.test"]
    assert {one.address for one in claimed(now).copies} == {"a@full.test", "b@x.test"}


def test_a_claim_passes_over_what_one_account_has_too_much_of_for_one_domain(alice, bob, now):
    queued("a@full.test", "b@x.test", owner=alice, now=now)
    queued("c@full.test", owner=bob, now=now)
    queued("d@full.test", owner=None, now=now)
    room = Room(full_pairs={alice.pk: frozenset({"full.test"})})
    taken = [one.address for one in claimed(now, room=room).copies]
    assert taken == ["b@x.test", "c@full.test", "d@full.test"]
    assert [one.address for one in claimed(now).copies] == ["a@full.test"]


def test_a_claim_takes_no_more_content_than_fits(alice, now, monkeypatch):
    for number in range(4):
        queued(f"r{number}@x.test", owner=alice, now=now)
    size = len(CONTENT)
    monkeypatch.setattr(claims, "CLAIM_BYTES", 2 * size)
    assert len(claimed(now).copies) == 2
    monkeypatch.setattr(claims, "CLAIM_BYTES", size // 2)
    assert len(claimed(now).copies) == 1


def test_a_domain_that_has_not_answered_yet_gets_one_message(alice, now):
    queued("a@new.test", "b@new.test", owner=alice, now=now)
    queued("c@new.test", owner=alice, now=now)
    queued("d@known.test", owner=alice, now=now)
    queued("e@known.test", owner=alice, now=now)
    room = Room(answering={"known.test": None})
    first = [one.address for one in claimed(now, room=room).copies]
    assert first == ["a@new.test", "b@new.test", "d@known.test", "e@known.test"]
    assert [one.address for one in claimed(now, room=room).copies] == ["c@new.test"]


def test_a_message_cut_by_the_batch_is_claimed_whole_among_strangers_too(alice, now):
    queued(*(f"a{number}@new.test" for number in range(9)), owner=alice, now=now)
    assert len(claimed(now, limit=4, room=Room(answering=())).copies) == 9


def test_writing_evidence_down_locks_no_account(alice, now):
    # Two workers that did so waited for each other in a circle: new rows hold on to their account.
    queued("a@x.test", owner=alice, now=now)
    with CaptureQueriesContext(connection) as seen:
        run(now)
    asked = [one["sql"] for one in seen.captured_queries if "domainevidence" in one["sql"]]
    assert asked
    assert not any("JOIN" in sql for sql in asked)
