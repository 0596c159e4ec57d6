"""How long mail is tried once operators or senders have moved it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from delivery import audit, operations, releasing, services
from delivery.models import Recipient, State
from delivery.orders import VERBS, Order
from delivery.picking import Filters, chosen
from delivery.policy.modes import Mode, SenderPolicy
from delivery.policy.routing import barred
from tests.delivery.factories import LATER, REFUSED, claimed, queued, settled

pytestmark = pytest.mark.django_db

LIFETIME = timedelta(days=5)


def done(verb, now, to="", **said):
    filters = Filters(to=to, everything=not to)
    order = Order(verb=VERBS[verb], **said)
    return operations.carry_out(
        order, chosen(filters, now=now), by=audit.Actor(name="root"), now=now
    )


def expiry(message):
    message.refresh_from_db()
    return message.expires_at


def test_untried_mail_can_be_put_off_beyond_its_lifetime_which_then_starts_later(alice, now):
    message = queued(owner=alice, now=now)
    at = now + timedelta(days=9)
    assert len(done("schedule", now, at=at).ids) == 1
    assert expiry(message) == at + LIFETIME
    assert message.recipients.get().delay_notice_at == at + timedelta(hours=4)
    claim = claimed(at)
    settled(claim, LATER, at)
    assert message.recipients.get().state == State.WAITING


def test_tried_mail_keeps_its_lifetime_when_it_is_put_off(alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), LATER, now)
    assert len(done("schedule", now, at=now + timedelta(days=2)).ids) == 1
    assert expiry(message) == now + LIFETIME


@pytest.mark.parametrize(("verb", "said"), [("kick", {}), ("mode", {"mode": Mode.OPTIONAL})])
def test_mail_for_later_that_is_tried_now_lives_from_now_on(alice, now, verb, said):
    message = queued(owner=alice, now=now, release_at=now + timedelta(days=30))
    done(verb, now, is_now=verb == "mode", **said)
    assert expiry(message) == now + LIFETIME
    assert message.recipients.get().delay_notice_at == now + timedelta(hours=4)


def test_a_copy_that_leaves_later_than_the_others_is_not_given_up_at_once(alice, now):
    later = now + timedelta(days=30)
    message = queued("a@x.test", "b@x.test", owner=alice, now=now, release_at=later)
    done("kick", now, to="a@x.test")
    assert expiry(message) == later + LIFETIME


@pytest.mark.parametrize("verb", ["hold", "fail"])
def test_what_an_operator_stops_no_longer_asks_its_sender(alice, now, verb):
    message = queued(owner=alice, now=now)
    message.recipients.update(asks_sender=True)
    done(verb, now, reason="Audit")
    assert not message.recipients.get().asks_sender
    assert releasing.send_all_the_same(message=message, now=now) == 0


def test_held_mail_put_under_new_rules_has_its_lifetime_before_it(alice, now):
    message = queued(owner=alice, now=now)
    message.recipients.update(state=State.HELD, asks_sender=True)
    late = now + timedelta(days=9)
    policy = SenderPolicy()
    assert releasing.apply_rules(message=message, pledges={}, policy=policy, now=late) == 1
    assert expiry(message) == late + LIFETIME


def test_a_copy_that_was_put_away_and_is_tried_again_needs_a_decision_if_it_fails_again(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now)
    settled(claimed(now, limit=1), REFUSED, now)
    copy = message.recipients.get(state=State.FAILED)
    services.dismiss(message=message)
    assert services.keep_trying(recipient=copy, now=now)
    assert not Recipient.objects.get(pk=copy.pk).is_dismissed
    message.recipients.filter(pk=copy.pk).update(
        state=State.FAILED, settled_at=now, is_dismissed=True
    )
    assert releasing.change_mode(message=message, mode=Mode.OPTIONAL, now=now)
    assert not Recipient.objects.get(pk=copy.pk).is_dismissed


def test_waiting_for_a_transport_uses_up_no_tries_and_ends_with_the_lifetime(alice, now):
    message = queued(owner=alice, now=now)
    paused = barred("smarthost", "is paused. The copy waits until it is back.", now)
    settled(claimed(now), paused.barred, now)
    copy = message.recipients.get()
    assert (copy.state, copy.attempts_made) == (State.WAITING, 0)
    end = now + LIFETIME
    settled(claimed(end), paused.barred, end)
    copy.refresh_from_db()
    said = "The transport “smarthost” is paused. The copy waited for that as long as mail is kept here."
    assert (copy.state, copy.attempts_made, copy.explanation) == (State.FAILED, 0, said)
    assert (copy.enhanced, copy.server_reply) == ("5.4.7", "")
