"""What pages read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from delivery import claims, ledger, selectors, services
from delivery.models import DomainLookup, Recipient, State
from delivery.policy.facts import Proof, Starttls
from delivery.policy.modes import BrokenTls, Mode, PledgeKind, SenderPolicy
from delivery.policy.record import Mechanism
from tests.delivery.factories import (
    ACCEPTED,
    LATER,
    REFUSED,
    claimed,
    held,
    queued,
    report,
    settled,
)

pytestmark = pytest.mark.django_db


def deliver(now, **showed):
    claim = claimed(now)
    reports = [report(job, now, **showed) for job in claims.jobs_from(claim, claim.copies)]
    ledger.record(copies=held(claim), reports=reports, now=now, jitter=0.0)


def outlook(owner, *addresses, now, by_hand=None):
    return selectors.outlook(
        owner_id=owner.pk,
        copies=[
            selectors.CopyRequest(address=one, domain=one.partition("@")[2]) for one in addresses
        ],
        by_hand=by_hand,
        sender=SenderPolicy(),
        on_broken_tls=BrokenTls.ASK,
        is_list_reply=False,
        now=now,
    )


def test_a_first_message_starts_with_unknown_bars(alice, now):
    found = outlook(alice, "a@x.test", now=now)
    assert [bar.shape for bar in found.rows[0].bars] == ["unknown"] * 5
    assert found.copies[0].wire.kind == "unk"
    assert found.choice.weakest == "How it travels is not known yet."


def test_a_running_look_up_is_shown_as_checking(alice, now):
    DomainLookup.objects.create(domain="x.test", started_at=now)
    row = outlook(alice, "a@x.test", now=now).rows[0]
    assert row.is_checking
    assert [bar.shape for bar in row.bars][1:4] == ["checking"] * 3


def test_a_look_up_that_never_ended_stops_being_shown_as_checking(alice, now):
    DomainLookup.objects.create(domain="x.test", started_at=now - timedelta(minutes=5))
    assert not outlook(alice, "a@x.test", now=now).rows[0].is_checking


def test_what_one_account_saw_is_not_shown_to_another(alice, charlie, now):
    queued(owner=alice, now=now)
    deliver(now)
    assert outlook(alice, "a@x.test", now=now).rows[0].bars[0].word == "Yes"
    assert outlook(charlie, "a@x.test", now=now).rows[0].bars[0].word == "Unknown"


def test_the_outlook_costs_three_queries_however_many_recipients(
    alice, now, django_assert_num_queries
):
    with django_assert_num_queries(3):
        outlook(alice, *[f"a@d{number}.test" for number in range(40)], now=now)


def test_plain_text_is_said_near_send(alice, now):
    queued(owner=alice, now=now)
    deliver(now, starttls=Starttls.NOT_OFFERED)
    assert outlook(alice, "a@x.test", now=now).choice.weakest == "It goes in plain text."
    two = outlook(alice, "a@x.test", "b@x.test", now=now)
    assert two.choice.weakest == "2 copies go in plain text."


def test_a_choice_by_hand_that_can_not_be_met_is_explained(alice, now):
    queued(owner=alice, now=now)
    deliver(now)
    choice = outlook(alice, "a@x.test", now=now, by_hand=Mode.REQUIRETLS).choice
    assert (choice.mode, choice.can_send) == (Mode.REQUIRETLS, False)
    assert "x.test" in choice.conflict


def test_the_outbox_puts_what_needs_its_sender_first(alice, now, django_assert_num_queries):
    queued("a@x.test", owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    queued("b@y.test", owner=alice, now=now)
    settled(claimed(now), LATER, now)
    queued(
        "c@z.test",
        owner=alice,
        now=now,
        release_at=now + timedelta(seconds=15),
        undo_until=now + timedelta(seconds=10),
    )
    with django_assert_num_queries(5):
        box = selectors.outbox(owner_id=alice.pk, now=now)
    assert [item.tag for item in box.needs] == ["Failed"]
    assert [item.tag for item in box.moving] == ["Scheduled", "Waiting"]
    assert box.moving[0].seconds_to_undo == 10
    assert box.moving[1].reply == "451 4.7.1 later"
    assert selectors.outbox_counts(alice.pk) == (3, 1)


def test_a_dismissed_failure_leaves_the_outbox(alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    services.dismiss(message=message)
    assert selectors.outbox(owner_id=alice.pk, now=now).needs == ()


def test_the_outbox_is_ones_own(alice, charlie, now):
    queued(owner=alice, now=now)
    assert selectors.outbox(owner_id=charlie.pk, now=now).moving == ()
    assert selectors.outbox_counts(charlie.pk) == (0, 0)


def steps(item) -> list[str]:
    return [way.step.value for way in item.choices]


def test_a_copy_refused_for_requiretls_can_be_sent_without(alice, now):
    queued(owner=alice, now=now, mode=Mode.REQUIRETLS)
    settled(claimed(now), replace(REFUSED, enhanced="5.7.30"), now)
    (item,) = selectors.outbox(owner_id=alice.pk, now=now).needs
    assert steps(item) == ["default", "again", "other"]


def test_an_address_that_does_not_exist_is_not_tried_again(alice, now):
    queued(owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    (item,) = selectors.outbox(owner_id=alice.pk, now=now).needs
    assert steps(item) == ["other"]


@pytest.mark.parametrize("stopped_by", [Mechanism.DANE, Mechanism.MTA_STS, Mechanism.HISTORY])
def test_a_copy_that_waits_for_tls_can_go_without(alice, now, stopped_by):
    queued(owner=alice, now=now)
    deliver(now, outcome=LATER, stopped_by=stopped_by)
    (item,) = selectors.outbox(owner_id=alice.pk, now=now).moving
    assert steps(item) == ["optional"]


def test_a_pledge_of_verified_tls_is_changed_where_it_was_made(alice, now):
    message = queued(owner=alice, now=now)
    message.recipients.update(pledge=PledgeKind.VERIFIED)
    deliver(now, outcome=LATER, stopped_by=Mechanism.DANE)
    (item,) = selectors.outbox(owner_id=alice.pk, now=now).moving
    assert steps(item) == ["pledges"]


def test_once_its_bytes_are_gone_a_failed_copy_can_only_be_written_anew(alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), replace(REFUSED, enhanced="5.7.1"), now)
    message.content.delete()
    (item,) = selectors.outbox(owner_id=alice.pk, now=now).needs
    assert steps(item) == ["other"]


def test_the_receipt_has_each_recipient_with_how_it_travelled(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now, mode=Mode.REQUIRETLS)
    deliver(now, requiretls=True, proofs=frozenset({Proof.DANE_EE}))
    slip = selectors.receipt(message)
    assert (slip.title, slip.tone) == ("Delivered to 2 of 2", "yes")
    assert slip.summary == "2 copies went with REQUIRETLS."
    facts = {label: value for label, value, _ in slip.parts[0].facts}
    assert facts["Verified by"] == "DANE-EE"
    assert facts["Answer"] == "250 2.0.0 ok"
    assert facts["REQUIRETLS"] == "Announced, used"


def test_plain_text_is_said_plainly_on_the_receipt(alice, now):
    message = queued(owner=alice, now=now)
    deliver(now, starttls=Starttls.NOT_OFFERED)
    slip = selectors.receipt(message)
    assert slip.summary == "It went in plain text."
    assert (slip.parts[0].wire.kind, slip.parts[0].tone) == ("plain", "warn")


def test_a_receipt_of_what_is_on_its_way_says_so(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now)
    settled(claimed(now, limit=1), ACCEPTED, now)
    slip = selectors.receipt(message)
    assert slip.title == "Delivered to 1 of 2"
    assert "still on the way" in slip.summary


def test_the_json_receipt_has_the_session_and_the_answer(alice, now):
    message = queued(owner=alice, now=now)
    deliver(now, proofs=frozenset({Proof.PKIX}))
    (copy,) = selectors.receipt_document(message)["recipients"]
    assert (copy["state"], copy["reply"]) == ("delivered", "250 2.0.0 ok")
    assert (copy["session"]["mx"], copy["session"]["verified_by"]) == ("mx.x.test", ["pkix"])


def test_due_copies_come_the_longest_due_first(alice, now):
    late = queued("a@x.test", owner=alice, now=now)
    early = queued("b@y.test", owner=alice, now=now - timedelta(hours=1))
    found = list(Recipient.objects.due(now))
    assert [one.message for one in found] == [early, late]
    assert {one.state for one in found} == {State.QUEUED}
