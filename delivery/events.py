"""Live news for the pages of one account. Events carry ids, never content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import BaseChannelLayer, get_channel_layer
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
    _publish_all(user_id, kind, [ids])


def tell_owners(messages: Iterable[tuple[int | None, UUID]]) -> None:
    """Tell accounts that these messages of theirs changed: pairs of an account and a message's id."""
    changed: dict[int | None, dict[str, None]] = defaultdict(dict)
    for owner_id, uuid in messages:
        changed[owner_id][str(uuid)] = None
    for owner_id, uuids in changed.items():
        publish_deliveries(owner_id, list(uuids))


def publish_deliveries(user_id: int | None, messages: Sequence[str]) -> None:
    """Tell that these messages changed: each by its id, or one event for all if there are many."""
    if len(messages) > TOLD_SINGLY:
        publish(user_id, DELIVERY_CHANGED)
    else:
        _publish_all(user_id, DELIVERY_CHANGED, [{"message": message} for message in messages])


def publish_domains(user_id: int | None, domains: Iterable[str]) -> None:
    """Tell that what is known about these domains changed."""
    _publish_all(user_id, DOMAIN_CHANGED, [{"domain": domain} for domain in domains])


def _publish_all(user_id: int | None, kind: str, all_ids: Sequence[dict[str, Any]]) -> None:
    if user_id is not None and all_ids:
        # A function, not a partial: Django logs a failed hook by its name, which partials lack.
        transaction.on_commit(lambda: _send(user_id, kind, all_ids), robust=True)


def _send(user_id: int, kind: str, all_ids: Sequence[dict[str, Any]]) -> None:
    layer = get_channel_layer()
    if layer is not None:
        async_to_sync(_send_in_turn)(layer, user_id, kind, all_ids)


async def _send_in_turn(
    layer: BaseChannelLayer, user_id: int, kind: str, all_ids: Sequence[dict[str, Any]]
) -> None:
    for ids in all_ids:
        event = {"type": "account.event", "event": kind, "ids": ids}
        await layer.group_send(group_for(user_id), event)
