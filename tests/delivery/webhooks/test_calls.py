"""Calls, made to a real server: signed, tried again, given up, never to places inside."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from delivery.config import DeliveryConfig
from delivery.models import Webhook, WebhookCall
from delivery.webhook_models import CallState, Event
from delivery.webhooks import calls, services, signature
from tests.fakes.clock import FakeClock
from tests.fakes.hook_server import HookServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[HookServer]:
    with HookServer() as server:
        yield server


@pytest.fixture
def config(settings) -> DeliveryConfig:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    found = DeliveryConfig.from_settings()
    return replace(found, agent=replace(found.agent, time_scale=0.1))


@pytest.fixture
def clock(now: datetime) -> FakeClock:
    return FakeClock(now)


@pytest.fixture
def hook(alice, config, server, now) -> Webhook:
    return services.add(owner=alice, url=server.url, events=[], now=now)[0]


def test_a_call_is_signed_with_the_secret_that_was_shown_once(alice, config, server, clock, now):
    hook, secret = services.add(owner=alice, url=server.url, events=[], now=now)
    call = services.send_test(webhook=hook, now=now)
    assert calls.make(config=config, clock=clock) == 1
    ((path, fields, body),) = server.heard
    expected = signature.headers(call_id=str(call.uuid), at=now, body=body, secret=secret)
    assert path == "/mail?for=alice"
    assert {name: fields[name] for name in expected} == expected
    assert fields["content-type"] == "application/json"
    assert json.loads(body) == {"version": 1, "event": "test", "at": now.isoformat()}
    call.refresh_from_db()
    assert (call.state, call.status, call.answer) == (CallState.DONE, 200, "thank you")
    assert secret.encode() not in bytes(hook.sealed_secret)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(hook, config, server, clock, now, status):
    server.status, server.words = status, b""
    services.send_test(webhook=hook, now=now)
    calls.make(config=config, clock=clock)
    assert WebhookCall.objects.get().state == CallState.DONE


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again_and_no_redirect_is_followed(
    hook, config, server, clock, now, status
):
    server.status, server.fields = status, {"Location": server.url}
    services.send_test(webhook=hook, now=now)
    assert calls.make(config=config, clock=clock) == 1
    call = WebhookCall.objects.get()
    assert (call.state, call.tries, call.status) == (CallState.PENDING, 1, status)
    assert now + timedelta(seconds=10) <= call.next_try_at <= now + timedelta(seconds=11)
    assert len(server.heard) == 1


def test_the_same_call_is_made_again_with_the_same_id_and_words(hook, config, server, clock, now):
    server.status = 500
    services.send_test(webhook=hook, now=now)
    calls.make(config=config, clock=clock)
    clock.advance(timedelta(seconds=12))
    server.status = 200
    calls.make(config=config, clock=clock)
    first, second = server.heard
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert first[2] == second[2]
    assert (first[1]["mailweb-try"], second[1]["mailweb-try"]) == ("1", "2")
    hook.refresh_from_db()
    assert hook.failing_since is None


def test_a_server_that_asks_for_time_gets_it(hook, config, server, clock, now):
    server.status, server.fields = 503, {"Retry-After": "600"}
    services.send_test(webhook=hook, now=now)
    calls.make(config=config, clock=clock)
    assert WebhookCall.objects.get().next_try_at == now + timedelta(minutes=10)


def test_a_webhook_that_fails_is_left_alone_and_the_others_are_called(
    alice, hook, config, server, clock, now
):
    with HookServer() as other:
        fine = services.add(owner=alice, url=other.url, events=[], now=now)[0]
        server.status = 500
        for _ in range(3):
            services.send_test(webhook=hook, now=now)
            services.send_test(webhook=fine, now=now)
        calls.make(config=config, clock=clock)
        assert len(server.heard) == 1
        assert len(other.heard) == 3
    assert hook.calls.filter(state=CallState.PENDING).count() == 3


def test_after_three_days_a_call_is_given_up_and_can_be_made_again_by_hand(
    hook, config, server, clock, now
):
    server.status = 500
    call = services.send_test(webhook=hook, now=now)
    for _ in range(11):
        calls.make(config=config, clock=clock)
        clock.advance(timedelta(hours=27))
        Webhook.objects.update(is_active=True, resting_until=None)
    call.refresh_from_db()
    assert (call.state, call.tries) == (CallState.GIVEN_UP, 11)
    assert calls.make(config=config, clock=clock) == 0
    server.status = 200
    assert services.repeat(call=call, now=clock.now())
    calls.make(config=config, clock=clock)
    call.refresh_from_db()
    assert call.state == CallState.DONE


def test_410_ends_a_webhook_and_starting_it_again_makes_what_waited(
    hook, config, server, clock, now
):
    server.status = 410
    services.send_test(webhook=hook, now=now)
    calls.make(config=config, clock=clock)
    hook.refresh_from_db()
    assert not hook.is_active
    assert "410" in hook.stopped_because
    clock.advance(timedelta(hours=1))
    assert calls.make(config=config, clock=clock) == 0
    server.status = 200
    services.start(webhook=hook, now=clock.now())
    assert calls.make(config=config, clock=clock) == 1


def test_a_webhook_that_fails_for_days_is_stopped(hook, config, server, clock, now):
    server.status = 500
    Webhook.objects.update(failing_since=now - timedelta(days=6))
    services.send_test(webhook=hook, now=now)
    calls.make(config=config, clock=clock)
    hook.refresh_from_db()
    assert not hook.is_active
    assert "since 14 November 2026" in hook.stopped_because


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1:{port}/", "not a public address"),
        ("https://[::ffff:127.0.0.1]:{port}/", "not a public address"),
        ("https://169.254.169.254/latest/meta-data/", "not a public address"),
    ],
)
def test_nothing_inside_this_network_is_called(alice, server, settings, clock, now, url, why):
    settings.WEBHOOK_NETWORKS = []
    hook, _ = services.add(
        owner=alice, url=url.format(port=server.port), events=[Event.FAILED], now=now
    )
    services.send_test(webhook=hook, now=now)
    calls.make(config=DeliveryConfig.from_settings(), clock=clock)
    call = WebhookCall.objects.get()
    assert (call.state, call.status) == (CallState.PENDING, None)
    assert why in call.answer
    assert server.heard == []


def test_a_server_that_never_answers_costs_a_moment_and_not_a_worker(
    hook, config, server, clock, now
):
    server.pause = threading.Event()
    fast = replace(config, agent=replace(config.agent, time_scale=0.02))
    services.send_test(webhook=hook, now=now)
    calls.make(config=fast, clock=clock)
    server.pause.set()
    call = WebhookCall.objects.get()
    assert (call.state, call.answer) == (
        CallState.PENDING,
        "127.0.0.1 took more than 0.6 seconds.",
    )


def test_long_and_odd_answers_are_kept_in_part_only(hook, config, server, clock, now):
    server.words = b"\xff\x00" + b"x" * 100_000
    services.send_test(webhook=hook, now=now)
    calls.make(config=config, clock=clock)
    call = WebhookCall.objects.get()
    assert call.state == CallState.DONE
    assert len(call.answer) <= 512
    assert "\0" not in call.answer


def test_a_call_whose_worker_died_is_made_again(hook, config, server, clock, now):
    services.send_test(webhook=hook, now=now)
    assert len(calls.take(now=now)) == 1
    assert calls.make(config=config, clock=clock) == 0
    clock.advance(calls.LEASE + timedelta(seconds=1))
    assert calls.make(config=config, clock=clock) == 1


def test_two_workers_never_take_the_same_call(hook, now):
    for _ in range(30):
        services.send_test(webhook=hook, now=now)
    first, second = calls.take(now=now), calls.take(now=now)
    assert (len(first), len(second)) == (20, 10)
    assert not {one.pk for one in first} & {one.pk for one in second}


def test_calls_that_ended_long_ago_are_forgotten(hook, config, server, clock, now):
    services.send_test(webhook=hook, now=now)
    calls.make(config=config, clock=clock)
    assert calls.forget(now=now + timedelta(days=13)) == 0
    assert calls.forget(now=now + timedelta(days=15)) == 1


def test_a_secret_that_cannot_be_read_any_more_is_said_so(hook, config, server, clock, now):
    Webhook.objects.update(sealed_secret=b"from another installation")
    services.send_test(webhook=hook, now=now)
    calls.make(config=config, clock=clock)
    assert "Give it another one" in WebhookCall.objects.get().answer
    assert server.heard == []
