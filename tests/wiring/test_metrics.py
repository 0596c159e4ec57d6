from __future__ import annotations

import re
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from delivery import metrics as counted
from delivery import selectors
from delivery.agent.answers import Status
from delivery.models import OPEN_STATES, Recipient, Transport
from delivery.policy.facts import Proof
from delivery.policy.modes import Mode
from delivery.policy.outcome import Result, Scope
from delivery.policy.reasons import Reason
from delivery.webhook_models import Webhook, WebhookCall
from mailweb import metrics
from mailweb.lib import meters
from tests.delivery.factories import queued

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

    from accounts.models import User

pytestmark = pytest.mark.django_db

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def fresh_queue() -> None:
    metrics._queue.forget()


def scraped(client: Client) -> Series:
    text = client.get("/metrics").content.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def series(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_queue_is_counted_by_state_and_reason(client: Client, alice: User) -> None:
    now = timezone.now()
    queued("friend@dane.test", owner=alice, now=now - timedelta(minutes=10))
    queued("friend@sts.test", owner=alice, now=now)
    Recipient.objects.filter(domain="sts.test").update(reason=Reason.CERTIFICATE_EXPIRED)
    found = scraped(client)
    assert found[series("mailweb_queue_copies", state="queued", reason="none")] == 1
    expired = {"state": "queued", "reason": "certificate-expired"}
    assert found[series("mailweb_queue_copies", **expired)] == 1
    assert found[series("mailweb_queue_copies", state="held", reason="none")] == 0
    oldest = found[series("mailweb_queue_oldest_seconds", state="queued", reason="none")]
    assert 600 <= oldest < 660
    assert 600 <= found[series("mailweb_queue_overdue_seconds")] < 660
    assert found[series("mailweb_queue_readable")] == 1


def test_queue_is_read_at_most_every_few_seconds(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(4):
        for _ in range(3):
            client.get("/metrics")


def test_transports_and_webhooks_that_wait_are_counted(client: Client, alice: User) -> None:
    Transport.objects.create(name="smart", kind="fail", paused_at=timezone.now())
    Transport.objects.create(name="spare", kind="fail", is_enabled=False)
    webhook = Webhook.objects.create(owner=alice, url="https://hook.test/", sealed_secret=b"")
    WebhookCall.objects.create(webhook=webhook, event="failed", next_try_at=timezone.now())
    found = scraped(client)
    states = [series("mailweb_transports", state=one) for one in ("active", "paused", "disabled")]
    assert [found[one] for one in states] == [0, 1, 1]
    assert found[series("mailweb_webhook_calls_waiting")] == 1


def test_counters_are_shown_while_the_database_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("no")

    monkeypatch.setattr(selectors, "waiting_copies", fail)
    found = scraped(client)
    assert found[series("mailweb_queue_readable")] == 0
    assert series("mailweb_database_failures_total") in found


def words(values: object) -> list[str]:
    return [str(value) for value in values]  # type: ignore[attr-defined]


REASONS = [reason.value for reason in Reason if reason.value]
ENUMERATED: Mapping[str, Mapping[str, list[str]]] = {
    "mailweb_attempts_total": {"outcome": words(Result), "scope": words(Scope)},
    "mailweb_copies_tried_total": {"outcome": words(Result)},
    "mailweb_delivery_seconds_count": {"outcome": words(Result), "mode": words(Mode)},
    "mailweb_tls_sessions_total": {
        "policy": words(counted.TlsPolicy),
        "result": ["success", *REASONS],
    },
    "mailweb_tls_verified_total": {"method": words(Proof)},
    "mailweb_requiretls_refused_total": {"reason": words(counted.RequireTlsRefusal)},
    "mailweb_tls_required_overrides_total": {"ignored": words(counted.Ignored)},
    "mailweb_dns_lookup_seconds_count": {
        "type": ["MX", "A", "AAAA", "TLSA", "TXT", "CNAME"],
        "result": [*words(Status), "bogus"],
    },
    "mailweb_submissions_total": {
        "door": words(counted.Door),
        "result": words(counted.Submission),
    },
    "mailweb_queue_copies": {"state": words(OPEN_STATES), "reason": ["none", *REASONS]},
    "mailweb_queue_oldest_seconds": {"state": words(OPEN_STATES), "reason": ["none", *REASONS]},
}


def test_every_series_is_there_before_its_first_event(client: Client) -> None:
    found = scraped(client).keys()
    missing = [
        (name, combination)
        for name, labels in ENUMERATED.items()
        for combination in product(*labels.values())
        if (name, frozenset(zip(labels, combination, strict=True))) not in found
    ]
    assert missing == []
    for family in meters.FAMILIES.values():
        suffix = {"counter": "_total", "histogram": "_count", "gauge": ""}[family.kind]
        for combination in product(*family.labels.values()):
            labels = frozenset(zip(family.labels, combination, strict=True))
            assert (family.name + suffix, labels) in found


def test_labels_name_nobody(client: Client, alice: User, now: object) -> None:
    queued("friend@dane.test", owner=alice, now=timezone.now())
    text = client.get("/metrics").content.decode()
    values = set(re.findall(r'="([^"]*)"', text))
    assert not [value for value in values if "@" in value or value.endswith(".test")]
    assert all(re.fullmatch(r"mailweb_\w+", family.name) for family in meters.FAMILIES.values())


def test_metrics_are_not_for_the_world(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"])
def test_what_a_proxy_hands_on_is_never_this_machine(client: Client, name: str) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={name: "127.0.0.1"}).status_code == 403


def test_metrics_are_for_whoever_has_the_token(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "open sesame"
    answers = [
        client.get("/metrics", headers={"Authorization": given}, REMOTE_ADDR="192.0.2.7")
        for given in ("Bearer open sesame", "Bearer open", "")
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 403]
