"""What webhooks are told of: every change of a copy, for its owner's webhooks alone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from accounts.services import disable_account, enable_account
from delivery import claims, ledger, services
from delivery.agent import outcomes
from delivery.models import Recipient, State, WebhookCall
from delivery.policy.facts import Proof
from delivery.webhook_models import Event
from delivery.webhooks import events
from delivery.webhooks import services as webhooks
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


@pytest.fixture
def hook(alice, now):
    return webhooks.add(owner=alice, url="https://hooks.example/", events=[], now=now)[0]


def told(hook):
    return [json.loads(call.body) for call in hook.calls.order_by("pk")]


@pytest.mark.parametrize(
    ("outcome", "event"),
    [(ACCEPTED, "delivered"), (LATER, "delayed"), (REFUSED, "failed")],
)
def test_each_outcome_is_an_event_with_the_servers_words(alice, hook, now, outcome, event):
    message = queued("a@x.test", owner=alice, now=now)
    settled(claimed(now), outcome, now)
    (document,) = told(hook)
    copy = message.recipients.get()
    assert (document["event"], document["at"]) == (event, now.isoformat())
    assert document["recipient"]["address"] == "a@x.test"
    assert document["recipient"]["state"] == copy.state
    assert document["message"]["id"] == str(message.uuid)
    assert document["answer"]["reply"] == (copy.last_reply or None)
    assert "Hello" not in json.dumps(document)


def test_a_copy_that_was_turned_away_was_not_tried_and_is_no_event(alice, hook, now):
    queued("a@x.test", owner=alice, now=now)
    turned_away = outcomes.turned_away("mx.x.test", "it did not answer", now + timedelta(hours=1))
    settled(claimed(now), turned_away, now)
    assert told(hook) == []


def test_a_delivery_carries_its_proof(alice, hook, now):
    queued("a@x.test", owner=alice, now=now)
    claim = claimed(now)
    (job,) = claims.jobs_from(claim, claim.copies)
    shown = report(job, now, proofs=frozenset({Proof.DANE_EE}), requiretls=True)
    ledger.record(copies=held(claim), reports=[shown], now=now, jitter=0.0)
    session = told(hook)[0]["session"]
    assert (session["mx"], session["verified_by"]) == ("mx.x.test", ["dane-ee"])
    assert session["requiretls_offered"]


def test_only_the_events_it_wants_reach_a_webhook(alice, now):
    hook, _ = webhooks.add(
        owner=alice, url="https://hooks.example/", events=[Event.FAILED], now=now
    )
    queued("a@x.test", owner=alice, now=now)
    settled(claimed(now), LATER, now)
    assert told(hook) == []
    settled(claimed(now + timedelta(hours=1)), REFUSED, now)
    assert [one["event"] for one in told(hook)] == ["failed"]


def test_nobody_hears_of_somebody_elses_mail(alice, bob, hook, now):
    theirs, _ = webhooks.add(owner=bob, url="https://hooks.example/", events=[], now=now)
    queued("a@x.test", owner=alice, now=now)
    queued("b@x.test", owner=bob, now=now)
    settled(claimed(now), ACCEPTED, now)
    assert [one["recipient"]["address"] for one in told(hook)] == ["a@x.test"]
    assert [one["recipient"]["address"] for one in told(theirs)] == ["b@x.test"]


def test_what_people_do_is_told_as_well(alice, hook, now):
    message = queued("a@x.test", "b@x.test", owner=alice, now=now)
    services.cancel(message=message, now=now)
    assert [one["event"] for one in told(hook)] == ["cancelled", "cancelled"]
    assert told(hook)[0]["session"] is None


def test_mail_that_is_taken_back_is_told_as_cancelled(alice, hook, now):
    message = queued("a@x.test", "b@x.test", owner=alice, now=now, undo_until=now)
    assert services.undo(message=message, now=now)
    assert [one["event"] for one in told(hook)] == ["cancelled", "cancelled"]


def test_overdue_mail_is_told_as_failed(alice, hook, now):
    queued("a@x.test", owner=alice, now=now)
    Recipient.objects.update(next_attempt_at=now)
    ledger.expire(now=now + timedelta(hours=200))
    assert [one["event"] for one in told(hook)] == ["failed"]


def test_a_stopped_webhook_is_told_nothing(alice, hook, now):
    webhooks.stop(webhook=hook, because="enough")
    queued("a@x.test", owner=alice, now=now)
    settled(claimed(now), ACCEPTED, now)
    assert told(hook) == []


def test_a_lease_that_was_lost_is_no_event(alice, hook, now):
    queued("a@x.test", owner=alice, now=now)
    late = claimed(now)
    claims.reclaim_abandoned(now=now + timedelta(seconds=61))
    settled(late, REFUSED, now)
    assert told(hook) == []


def test_without_webhooks_settling_asks_one_small_question(
    alice, now, django_assert_max_num_queries
):
    for number in range(20):
        queued(f"a{number}@x.test", owner=alice, now=now)
    claim = claimed(now)
    with django_assert_max_num_queries(1):
        events.note(
            [one.pk for one in claim.copies],
            now=now,
            owners={one.owner_id for one in claim.copies},
        )
    assert not WebhookCall.objects.exists()


def test_too_much_that_waits_is_counted_and_not_kept(alice, hook, now, monkeypatch):
    monkeypatch.setattr(events, "MOST_PENDING", 2)
    queued("a@x.test", "b@x.test", "c@x.test", owner=alice, now=now)
    settled(claimed(now), ACCEPTED, now)
    hook.refresh_from_db()
    assert (hook.calls.count(), hook.dropped) == (2, 1)


def test_a_failure_to_keep_an_event_never_fails_a_delivery(alice, hook, now, monkeypatch, caplog):
    monkeypatch.setattr(events.document, "about", lambda *_, **__: 1 / 0)
    message = queued("a@x.test", owner=alice, now=now)
    settled(claimed(now), ACCEPTED, now)
    assert message.recipients.get().state == "delivered"
    assert "webhook events not kept" in caplog.text


def test_an_account_has_a_limit_and_no_webhook_twice(alice, hook, now):
    with pytest.raises(webhooks.WebhookTakenError):
        webhooks.add(owner=alice, url="https://hooks.example/", events=[], now=now)
    for number in range(webhooks.MOST_WEBHOOKS - 1):
        webhooks.add(owner=alice, url=f"https://hooks.example/{number}", events=[], now=now)
    with pytest.raises(webhooks.TooManyWebhooksError):
        webhooks.add(owner=alice, url="https://hooks.example/more", events=[], now=now)


def test_without_tls_only_where_the_operator_has_networks_of_his_own(alice, now, settings):
    with pytest.raises(webhooks.targets.BadUrlError):
        webhooks.add(owner=alice, url="http://hooks.example/", events=[], now=now)
    settings.WEBHOOK_NETWORKS = ["10.0.0.0/8"]
    assert webhooks.add(owner=alice, url="http://hooks.example/", events=[], now=now)


@pytest.mark.parametrize(
    ("verb", "event"), [("hold", "held"), ("fail", "failed"), ("drop", "cancelled")]
)
def test_what_operators_do_is_told_too(alice, hook, now, verb, event):
    queued("a@x.test", owner=alice, now=now)
    call_command("queue", verb, "--to-domain", "x.test")
    assert [one["event"] for one in told(hook)] == [event]


def test_a_hold_rule_is_told(alice, hook, now):
    queued("a@x.test", owner=alice, now=now)
    call_command(
        "holdrule", "add", "--recipient-domain", "x.test", "--reason", "Their server is moving."
    )
    (document,) = told(hook)
    assert document["event"] == "held"
    assert "moving" in document["answer"]["explanation"]


def test_a_disabled_account_has_nobody_told(hook, alice, now):
    webhooks.send_test(webhook=hook, now=now)
    disable_account(user=alice, now=now)
    copies = queued(owner=alice, now=now).recipients
    copies.update(state=State.FAILED, settled_at=now, next_attempt_at=None)
    events.note(list(copies.values_list("pk", flat=True)), now=now)
    assert [one["event"] for one in told(hook)] == ["test"]
    assert not WebhookCall.objects.due(now).exists()
    enable_account(user=alice, now=now)
    assert WebhookCall.objects.due(now).count() == 1


def test_a_button_pressed_without_end_keeps_few_calls(hook, now):
    for _ in range(webhooks.MOST_TESTS + 3):
        webhooks.send_test(webhook=hook, now=now)
    assert hook.calls.count() == webhooks.MOST_TESTS
