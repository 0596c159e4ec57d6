from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.delivery.factories import queued

if TYPE_CHECKING:
    from datetime import datetime

    from django.test import Client
    from pytest_django.fixtures import Settings

    from accounts.models import User

pytestmark = pytest.mark.django_db


def test_metrics_count_what_waits(client: Client, alice: User, now: datetime) -> None:
    queued("friend@dane.test", owner=alice, now=now)
    lines = client.get("/metrics").content.decode().splitlines()
    assert 'mailweb_queue_copies{state="queued"} 1' in lines
    assert not [line for line in lines if "@" in line]


def test_metrics_are_not_for_the_world(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403


def test_metrics_are_for_whoever_has_the_token(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "open sesame"
    answers = [
        client.get("/metrics", headers={"Authorization": given}, REMOTE_ADDR="192.0.2.7")
        for given in ("Bearer open sesame", "Bearer open", "")
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 403]
