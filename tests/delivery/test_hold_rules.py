"""Hold rules: the same copies now and later, kept with a reason, and let go as they were."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from django.db import IntegrityError, transaction

from delivery import (
    audit,
    holding,
    holdrules,
    maintenance,
    operations,
    releasing,
    selectors,
    services,
)
from delivery.holdrules import NewRule
from delivery.models import HoldRule, Recipient, State
from delivery.orders import VERBS, Order
from delivery.picking import Filters, chosen
from delivery.policy.modes import Mode
from tests.delivery.factories import LATER, claimed, queued, settled

pytestmark = pytest.mark.django_db

ACTOR = audit.Actor(name="admin")
REASON = "We look into a complaint from x.test."


def added(now, **conditions):
    return holdrules.add(NewRule(reason=REASON, **conditions), actor=ACTOR, now=now)


def ordered(verb, address, now):
    order = Order(verb=VERBS[verb], reason="By hand.")
    operations.carry_out(order, chosen(Filters(to=address), now=now), by=ACTOR, now=now)


def standing(message):
    return dict(message.recipients.values_list("address", "state"))


def test_new_copies_are_held_at_once_with_their_reason(alice, now):
    added(now, recipient_domain="x.test")
    message = queued("a@x.test", "b@y.test", owner=alice, now=now)
    assert standing(message) == {"a@x.test": State.HELD, "b@y.test": State.QUEUED}
    assert message.recipients.get(domain="x.test").hold_reason == REASON
    assert [copy.address for copy in claimed(now).copies] == ["b@y.test"]


def test_copies_in_the_queue_are_held_when_a_rule_is_made(alice, bob, now):
    mine, his = queued("a@x.test", owner=alice, now=now), queued("a@x.test", owner=bob, now=now)
    _, held = added(now, account=alice)
    assert held == 1
    assert (mine.recipients.get().state, his.recipients.get().state) == (State.HELD, State.QUEUED)


def test_a_dry_run_counts_and_changes_nothing(alice, now):
    message = queued("a@x.test", "b@x.test", "c@y.test", owner=alice, now=now)
    assert holdrules.preview(NewRule(recipient_domain="X.test"), now=now) == 2
    assert set(standing(message).values()) == {State.QUEUED}
    assert not HoldRule.objects.exists()


@pytest.mark.parametrize("conditions", list(product((False, True), repeat=3)), ids=str)
def test_every_condition_given_must_hold_for_new_and_old_copies_alike(alice, bob, now, conditions):
    given = dict(zip(("account", "sender_domain", "recipient_domain"), conditions, strict=True))
    values = {"account": alice, "sender_domain": "mailweb.test", "recipient_domain": "x.test"}
    new = NewRule(
        everything=True, **{name: values[name] for name, is_given in given.items() if is_given}
    )
    before = [queued("a@x.test", "a@y.test", owner=owner, now=now) for owner in (alice, bob)]
    rule, _ = holdrules.add(new, actor=ACTOR, now=now)
    after = [queued("b@x.test", "b@y.test", owner=owner, now=now) for owner in (alice, bob)]
    for message in (*before, *after):
        for copy in message.recipients.all():
            expected = rule.matches(
                account=copy.owner_id, sender_domain="mailweb.test", recipient_domain=copy.domain
            )
            assert (copy.state == State.HELD) is expected
            found = holding.holding(
                [rule], account=copy.owner_id, mail_from=message.mail_from, domain=copy.domain
            )
            assert (found == rule) is expected


def test_a_bounce_has_no_sender_domain(now):
    message = queued("a@x.test", owner=None, now=now)
    type(message).objects.filter(pk=message.pk).update(mail_from="")
    added(now, sender_domain="mailweb.test")
    assert message.recipients.get().state == State.QUEUED


def test_a_sender_domain_in_its_own_letters_is_the_same_domain(alice, now):
    message = queued("a@x.test", owner=alice, now=now)
    type(message).objects.filter(pk=message.pk).update(mail_from="alice@Bücher.test")
    _, held = added(now, sender_domain="bücher.test")
    assert held == 1


def test_a_rule_without_any_condition_must_say_that_all_mail_is_meant(now):
    with pytest.raises(holdrules.EmptyRuleError):
        added(now)
    rule, _ = added(now, everything=True)
    assert (rule.is_for_all, rule.words) == (True, "all mail")
    with pytest.raises(IntegrityError), transaction.atomic():
        HoldRule.objects.create(reason="says nothing")


def test_a_rule_that_is_over_before_it_begins_is_refused(now):
    with pytest.raises(holdrules.ExpiredRuleError):
        added(now, recipient_domain="x.test", expires_at=now)


def test_removing_a_rule_lets_go_only_what_it_held(alice, now):
    message = queued("a@x.test", "b@y.test", "c@z.test", owner=alice, now=now)
    by_hand = message.recipients.get(domain="z.test")
    ordered("hold", by_hand.address, now)
    narrow, _ = added(now, recipient_domain="x.test")
    wide, _ = added(now, account=alice)
    assert holdrules.remove(wide, actor=ACTOR, now=now) == 1
    assert standing(message) == {
        "a@x.test": State.HELD,
        "b@y.test": State.QUEUED,
        "c@z.test": State.HELD,
    }
    assert holdrules.remove(narrow, actor=ACTOR, now=now) == 1
    assert standing(message)["a@x.test"] == State.QUEUED
    assert message.recipients.get(domain="x.test").hold_reason == ""


def test_a_copy_under_two_rules_stays_until_both_are_gone(alice, now):
    first, _ = added(now, recipient_domain="x.test")
    message = queued("a@x.test", owner=alice, now=now)
    second, _ = holdrules.add(NewRule(account=alice, reason="Second."), actor=ACTOR, now=now)
    assert holdrules.remove(first, actor=ACTOR, now=now) == 0
    copy = message.recipients.get()
    assert (copy.state, copy.held_by, copy.hold_reason) == (State.HELD, second, "Second.")
    assert holdrules.remove(second, actor=ACTOR, now=now) == 1


def test_the_sweep_ends_a_rule_whose_time_is_over(alice, now):
    until = now + timedelta(hours=2)
    added(now, recipient_domain="x.test", expires_at=until)
    message = queued("a@x.test", owner=alice, now=now)
    maintenance.sweep(now=until - timedelta(seconds=1))
    assert message.recipients.get().state == State.HELD
    maintenance.sweep(now=until)
    assert message.recipients.get().state == State.QUEUED
    assert not HoldRule.objects.exists()


def test_scheduled_and_waiting_copies_keep_their_time_and_get_a_whole_lifetime(alice, now):
    later = now + timedelta(days=2)
    scheduled = queued("a@x.test", owner=alice, now=now, release_at=later)
    due = queued("b@x.test", owner=alice, now=now)
    rule, _ = added(now, recipient_domain="x.test")
    soon = now + timedelta(days=1)
    holdrules.remove(rule, actor=ACTOR, now=soon)
    copy = scheduled.recipients.get()
    assert (copy.state, copy.next_attempt_at) == (State.SCHEDULED, later)
    due.refresh_from_db()
    scheduled.refresh_from_db()
    assert due.expires_at == soon + timedelta(days=5)
    assert scheduled.expires_at == later + timedelta(days=5)
    assert due.recipients.get().next_attempt_at == soon


def test_held_mail_never_expires_and_a_copy_that_was_being_sent_is_held_when_it_is_put_off(
    alice, now
):
    message = queued("a@x.test", owner=alice, now=now)
    claim = claimed(now)
    rule, held = added(now, recipient_domain="x.test")
    assert held == 0
    settled(claim, LATER, now)
    maintenance.sweep(now=now)
    assert message.recipients.get().state == State.HELD
    maintenance.sweep(now=now + timedelta(days=30))
    assert message.recipients.get().state == State.HELD
    assert holdrules.remove(rule, actor=ACTOR, now=now + timedelta(days=30)) == 1
    maintenance.sweep(now=now + timedelta(days=30))
    assert message.recipients.get().state == State.QUEUED


def test_its_sender_sees_why_and_cannot_let_it_go(alice, now):
    added(now, recipient_domain="x.test")
    message = queued("a@x.test", owner=alice, now=now)
    (item,) = selectors.outbox(owner_id=alice.pk, now=now).moving
    told = f"The operator of this server holds it: {REASON}"
    assert (item.tag, item.sentence, item.can_send_now) == ("Held", told, False)
    for let_go in (services.send_now, services.retry_now, releasing.send_all_the_same):
        assert let_go(message=message, now=now) == 0
    releasing.change_mode(message=message, mode=Mode.VERIFIED, now=now)
    copy = message.recipients.get()
    assert (copy.state, copy.mode) == (State.HELD, Mode.VERIFIED)
    assert services.cancel(message=message, now=now) == 1


def test_an_operator_lets_a_copy_go_in_spite_of_the_rule_until_a_newer_one(alice, now):
    added(now, recipient_domain="x.test")
    message = queued("a@x.test", owner=alice, now=now)
    ordered("release", "a@x.test", now)
    maintenance.sweep(now=now)
    assert message.recipients.get().state == State.QUEUED
    added(now, sender_domain="mailweb.test")
    assert message.recipients.get().state == State.HELD


def test_a_removed_rule_leaves_what_failed_or_was_held_by_hand_since(alice, now):
    rule, _ = added(now, recipient_domain="x.test")
    message = queued("a@x.test", owner=alice, now=now)
    ordered("release", "a@x.test", now)
    ordered("hold", "a@x.test", now)
    assert holdrules.remove(rule, actor=ACTOR, now=now) == 0
    assert message.recipients.get().hold_reason == "By hand."


def test_no_rules_cost_the_sweep_two_queries(alice, now, django_assert_num_queries):
    queued("a@x.test", owner=alice, now=now)
    with django_assert_num_queries(1):
        holdrules.expire(now=now)
    with django_assert_num_queries(3):  # with the savepoint around it
        holdrules.enforce(now=now)
    assert Recipient.objects.get().state == State.QUEUED


def test_every_change_is_written_down(alice, now):
    from accounts.models import AuditEntry

    rule, _ = added(now, account=alice, recipient_domain="x.test")
    holdrules.remove(rule, actor=ACTOR, now=now)
    entries = AuditEntry.objects.filter(action__startswith="hold rule").order_by("id")
    assert list(entries.values_list("action", "by", "reason")) == [
        ("hold rule added", "admin", REASON),
        ("hold rule removed", "admin", REASON),
    ]
    assert "mail from the account alice@mailweb.test to addresses at x.test" in entries[0].target
