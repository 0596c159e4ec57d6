"""Work is announced after the commit, and a broker or channel layer that is down breaks nothing."""

from __future__ import annotations

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from delivery import events
from mailweb.lib.queue import enqueue


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_does_not_break_the_request(caplog):
    with transaction.atomic():
        enqueue(UnannouncedTask(), 1)
    assert "on_commit" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_channel_layer_that_is_down_does_not_break_the_request(settings, caplog):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.wiring.test_queue.DownLayer"}}
    with transaction.atomic():
        events.publish(1, events.DRAFTS_CHANGED)
    assert "on_commit" in caplog.text


class UnannouncedTask:
    """A task whose broker is not there."""

    def apply_async(self, **_: object) -> None:
        raise OperationalError


class DownLayer:
    """A channel layer whose server is not there."""

    def __init__(self, **_: object) -> None:
        pass

    async def group_send(self, group: str, message: dict[str, object]) -> None:
        raise ConnectionError(group)
