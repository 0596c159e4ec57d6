"""The settings page of webhooks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from delivery.models import Webhook, WebhookCall
from delivery.webhook_models import CallState, Event
from delivery.webhooks import services

PAGE = "/settings/webhooks/"
URL = "https://hooks.example/in"


@pytest.fixture
def hook(alice, now):
    return services.add(owner=alice, url=URL, events=[Event.FAILED], now=now)[0]


def act(client, name, pk):
    return client.post(reverse(f"accounts:{name}", args=[pk]))


def test_an_empty_list_says_what_would_be_there(as_alice):
    page = as_alice.get(PAGE).content.decode()
    assert "You have no webhooks." in page
    assert "Add this webhook" in page


def test_a_new_webhook_shows_its_secret_once_and_never_again(as_alice, alice):
    answer = as_alice.post(PAGE, {"url": URL, "events": ["failed", "delayed"]})
    hook = Webhook.objects.get(owner=alice)
    secret = services.secret_of(hook)
    assert (hook.url, hook.events) == (URL, ["failed", "delayed"])
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert secret not in as_alice.get(PAGE).content.decode()


def test_all_events_are_kept_as_all(as_alice, alice):
    every = [one.value for one in Event if one is not Event.TEST]
    as_alice.post(PAGE, {"url": URL, "events": every})
    assert Webhook.objects.get(owner=alice).events == []


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"url": "http://hooks.example/", "events": ["failed"]}, "begin with https://"),
        ({"url": "https://me:secret@hooks.example/", "events": ["failed"]}, "no password"),
        ({"url": URL, "events": []}, "Choose at least one."),
        ({"url": URL, "events": ["opened"]}, "opened"),
        ({"url": "", "events": ["failed"]}, "required"),
    ],
)
def test_what_cannot_be_is_refused_in_words(as_alice, data, sentence):
    answer = as_alice.post(PAGE, data)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Webhook.objects.exists()


def test_the_list_tells_how_calls_went(as_alice, hook, now, django_assert_max_num_queries):
    WebhookCall.objects.create(
        webhook=hook,
        event=Event.FAILED,
        body="{}",
        state=CallState.GIVEN_UP,
        tries=11,
        status=503,
        answer="<b>out of order</b>",
        created_at=now,
        finished_at=now + timedelta(days=3),
    )
    Webhook.objects.update(failing_since=now)
    with django_assert_max_num_queries(12):
        page = as_alice.get(PAGE).content.decode()
    assert "Failing since 20 November, 12:00 UTC" in page
    assert "given up after 11 tries: answered 503" in page
    assert "&lt;b&gt;out of order" in page


def test_a_secret_can_be_changed(as_alice, hook):
    before = services.secret_of(hook)
    page = act(as_alice, "renew-webhook-secret", hook.pk).content.decode()
    hook.refresh_from_db()
    after = services.secret_of(hook)
    assert before != after
    assert after in page


def test_a_test_is_a_call_about_nothing(as_alice, hook, started):
    act(as_alice, "test-webhook", hook.pk)
    assert hook.calls.get().event == Event.TEST


def test_stopping_starting_and_removing(as_alice, hook):
    act(as_alice, "stop-webhook", hook.pk)
    assert "Stopped." in as_alice.get(PAGE).content.decode()
    act(as_alice, "start-webhook", hook.pk)
    hook.refresh_from_db()
    assert hook.is_active
    act(as_alice, "remove-webhook", hook.pk)
    assert not Webhook.objects.exists()


def test_a_finished_call_is_made_again(as_alice, hook, now):
    call = services.send_test(webhook=hook, now=now)
    WebhookCall.objects.update(state=CallState.DONE, finished_at=now)
    act(as_alice, "repeat-webhook-call", call.pk)
    call.refresh_from_db()
    assert call.state == CallState.PENDING


@pytest.mark.parametrize(
    "name",
    ["test-webhook", "stop-webhook", "start-webhook", "renew-webhook-secret", "remove-webhook"],
)
def test_nobody_touches_somebody_elses_webhook(as_charlie, hook, name):
    assert act(as_charlie, name, hook.pk).status_code == 404
    hook.refresh_from_db()
    assert hook.is_active
    assert not hook.calls.exists()


def test_nobody_sees_or_repeats_somebody_elses_calls(as_charlie, hook, now):
    call = services.send_test(webhook=hook, now=now)
    WebhookCall.objects.update(state=CallState.DONE, finished_at=now)
    assert act(as_charlie, "repeat-webhook-call", call.pk).status_code == 404
    assert URL not in as_charlie.get(PAGE).content.decode()
