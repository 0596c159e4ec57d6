"""Handing messages over, and taking them back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from delivery import releasing, services
from delivery.models import Content, DomainLookup, OutboundMessage, ProbeRequest, State
from delivery.policy.modes import Mode, SenderPolicy
from mailweb.lib.addresses import InvalidAddressError
from tests.delivery.factories import ACCEPTED, CONTENT, REFUSED, claimed, queued, settled

pytestmark = pytest.mark.django_db


def states(message):
    return list(message.recipients.values_list("state", flat=True))


def test_a_message_accepted_is_queued_with_its_bytes_and_announced_on_commit(
    alice, now, started, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        message = queued("a@x.test", "b@y.test", owner=alice, now=now)
        assert started == []
    assert states(message) == [State.QUEUED, State.QUEUED]
    assert bytes(message.content.data) == CONTENT
    assert ("delivery.tasks.drain", ()) in started


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        ([], "no recipient"),
        ([f"a{number}@x.test" for number in range(2000)], "2000 recipients are too many"),
    ],
)
def test_too_few_and_too_many_recipients_are_refused_in_words(alice, now, addresses, words):
    with pytest.raises(services.RefusedMessageError, match=words):
        services.submit(
            owner=alice,
            mail_from="alice@mailweb.test",
            recipients=[services.NewRecipient(address=one) for one in addresses],
            content=CONTENT,
            sender_policy=SenderPolicy(),
            now=now,
        )
    assert not OutboundMessage.objects.exists()


def test_a_recipient_without_a_domain_is_refused_and_nothing_is_kept(alice, now):
    with pytest.raises(InvalidAddressError):
        queued("a@x.test", "nobody", owner=alice, now=now)
    assert not OutboundMessage.objects.exists()


def test_a_domain_in_any_script_is_queued_in_a_labels(alice, now):
    message = queued("a@bücher.test", owner=alice, now=now)
    assert message.recipients.get().domain == "xn--bcher-kva.test"
    assert not message.needs_smtputf8


def test_a_local_part_outside_ascii_needs_smtputf8(alice, now):
    assert queued("grüße@x.test", owner=alice, now=now).needs_smtputf8


def test_undo_takes_everything_back_while_nothing_has_left(alice, now):
    message = queued(
        "a@x.test", "b@y.test", owner=alice, now=now, release_at=now + timedelta(seconds=15)
    )
    assert services.undo(message=message, now=now)
    assert states(message) == [State.CANCELLED, State.CANCELLED]
    assert not Content.objects.exists()


def test_undo_changes_nothing_once_a_copy_is_on_its_way(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now, release_at=now)
    claimed(now, limit=1)
    assert not services.undo(message=message, now=now)
    assert sorted(states(message)) == [State.SCHEDULED, State.SENDING]


def test_a_scheduled_message_does_not_leave_before_its_time(alice, now):
    queued(owner=alice, now=now, release_at=now + timedelta(seconds=15))
    assert claimed(now + timedelta(seconds=14)).copies == ()
    assert len(claimed(now + timedelta(seconds=15)).copies) == 1


def test_send_now_lets_a_scheduled_message_leave(alice, now):
    message = queued(owner=alice, now=now, release_at=now + timedelta(hours=1))
    assert services.send_now(message=message, now=now) == 1
    assert len(claimed(now).copies) == 1


def test_cancel_leaves_what_is_being_sent_alone(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now)
    claimed(now, limit=1)
    assert services.cancel(message=message, now=now) == 1
    assert sorted(states(message)) == [State.CANCELLED, State.SENDING]
    assert Content.objects.exists()


def test_a_failed_copy_can_be_sent_differently(alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    copy = message.recipients.get()
    assert releasing.change_mode(message=message, mode=Mode.OPTIONAL, now=now) == 1
    copy.refresh_from_db()
    assert (copy.state, copy.mode, copy.settled_at) == (State.QUEUED, "optional", None)


def test_a_delivered_copy_can_not_be_sent_again(alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), ACCEPTED, now)
    assert not services.keep_trying(recipient=message.recipients.get(), now=now)


def test_the_bytes_go_once_all_is_delivered_and_stay_while_a_failure_waits_for_its_sender(
    alice, now
):
    message = queued("a@x.test", "b@x.test", owner=alice, now=now)
    claim = claimed(now)
    settled(claim, REFUSED, now)
    assert Content.objects.exists()
    services.dismiss(message=message)
    assert not Content.objects.exists()


def test_checks_are_limited_per_account_and_hour(alice, bob, now):
    for number in range(services.PROBES_PER_HOUR):
        services.request_probe(owner=alice, domain=f"d{number}.test", now=now)
    with pytest.raises(services.TooManyProbesError):
        services.request_probe(owner=alice, domain="one-more.test", now=now)
    services.request_probe(owner=bob, domain="one-more.test", now=now)
    services.request_probe(owner=alice, domain="later.test", now=now + timedelta(hours=2))


def test_a_check_that_runs_is_not_asked_for_twice(alice, now):
    services.request_probe(owner=alice, domain="x.test", now=now)
    services.request_probe(owner=alice, domain="x.test", now=now)
    assert ProbeRequest.objects.count() == 1


def test_a_look_up_is_started_once_for_each_stale_domain(
    alice, now, started, django_capture_on_commit_callbacks
):
    DomainLookup.objects.create(
        domain="fresh.test", started_at=now, expires_at=now + timedelta(minutes=5)
    )
    with django_capture_on_commit_callbacks(execute=True):
        services.request_lookup(owner=alice, domains=["fresh.test", "x.test", "x.test"], now=now)
        services.request_lookup(owner=alice, domains=["x.test"], now=now)
    assert started == [("delivery.tasks.look_up", (alice.pk, "x.test"))]
