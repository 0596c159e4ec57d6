"""Live news for the pages of one account. Events carry ids, never content."""

from __future__ import annotations

from collections.abc import Sequence

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

DELIVERY_CHANGED = "delivery-changed"
DOMAIN_CHANGED = "domain-changed"
MAILBOX_CHANGED = "mailbox-changed"
DRAFTS_CHANGED = "drafts-changed"

TOLD_SINGLY = 5
"""More messages than this at once are one event without an id; pages re-read what they show."""


def group_for(user_id: int) -> str:
    """Return the channel group that every open page of the account has joined."""
    return f"account.{user_id}"


def publish(user_id: int | None, kind: str, **ids: int | str) -> None:
    """Tell the account's open pages, once the current transaction is committed.

    A channel layer that is down costs freshness, never the change itself: `robust` logs it.
    """
    if user_id is not None:
        # A function, not a partial: Django logs a failed hook by its name, which partials lack.
        transaction.on_commit(lambda: _send(user_id, kind, ids), robust=True)


def publish_deliveries(user_id: int | None, messages: Sequence[str]) -> None:
    """Tell that these messages changed: each by its id, or one event for all if there are many."""
    if len(messages) > TOLD_SINGLY:
        publish(user_id, DELIVERY_CHANGED)
        return
    for message in messages:
        publish(user_id, DELIVERY_CHANGED, message=message)


def _send(user_id: int, kind: str, ids: dict[str, int | str]) -> None:
    layer = get_channel_layer()
    if layer is not None:
        async_to_sync(layer.group_send)(
            group_for(user_id), {"type": "account.event", "event": kind, "ids": ids}
        )
