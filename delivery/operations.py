"""What operators do to many copies at once: pick by filters, then act. Commands and admin call it.

Filters are ANDed. No filter at all picks nothing unless `everything` says so, because a
slip at a shell must not touch the whole queue.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from delivery import services, tasks
from delivery.models import DUE_STATES, Recipient, State
from delivery.policy.modes import Mode
from delivery.policy.promise import IfWorse
from mailweb.lib.errors import UserError
from mailweb.lib.queue import enqueue


class NoFilterError(UserError):
    """Nothing was picked: name at least one filter, or say --all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which copies; every condition that is given must hold."""

    ids: tuple[int, ...] = ()
    account: str = ""
    from_domain: str = ""
    to: str = ""
    to_domain: str = ""
    state: str = ""
    mode: str = ""
    transport: str = ""
    older_than: timedelta | None = None
    attempts_ge: int | None = None
    limit: int | None = None
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows the choice."""
        narrowing = (one.name for one in fields(self) if one.name not in ("limit", "everything"))
        return all(getattr(self, name) in ((), "", None) for name in narrowing)


def picked(filters: Filters, *, now: datetime, states: tuple[State, ...]) -> QuerySet[Recipient]:
    """Return the copies that `filters` pick among those in `states`, the longest due first."""
    rows = Recipient.objects.filter(_condition(filters, now), state__in=states)
    rows = rows.order_by(F("next_attempt_at").asc(nulls_last=True), "id")
    return rows[: filters.limit] if filters.limit is not None else rows


def _condition(filters: Filters, now: datetime) -> Q:
    exact: dict[str, Any] = {
        "pk__in": filters.ids,
        "message__owner__username": filters.account,
        "address__iexact": filters.to,
        "domain": filters.to_domain.lower(),
        "state": filters.state,
        "mode": filters.mode,
        "transport": filters.transport,
    }
    condition = Q(**{name: value for name, value in exact.items() if value})
    if filters.from_domain:
        condition &= Q(message__mail_from__iendswith=f"@{filters.from_domain}")
    if filters.older_than is not None:
        condition &= Q(message__queued_at__lt=now - filters.older_than)
    if filters.attempts_ge is not None:
        condition &= Q(attempts_made__gte=filters.attempts_ge)
    return condition


WAITING_STATES = (*DUE_STATES, State.HELD)

_ACTIONS: dict[str, tuple[tuple[State, ...], dict[str, Any]]] = {
    "kick": (DUE_STATES, {"state": State.QUEUED}),
    "hold": (DUE_STATES, {"state": State.HELD, "next_attempt_at": None}),
    # Who releases does not speak for the sender: the verdict is worked out again.
    "release": (
        (State.HELD,),
        {
            "state": State.QUEUED,
            "hold_reason": "",
            "if_worse": IfWorse.HOLD,
            "asks_sender": False,
        },
    ),
    "fail": (
        WAITING_STATES,
        {
            "state": State.FAILED,
            "next_attempt_at": None,
            "code": 554,
            "enhanced": "5.7.0",
            "last_reply": "554 5.7.0 The operator of this server stopped this copy.",
            "explanation": "The operator of this server stopped this copy.",
            "notice_due": True,
        },
    ),
    "drop": (WAITING_STATES, {"state": State.CANCELLED, "next_attempt_at": None}),
}
ACTIONS = tuple(_ACTIONS)


def act(action: str, filters: Filters, *, now: datetime, reason: str = "") -> list[int]:
    """Do one of `ACTIONS` to the picked copies; return their ids. What is being sent is left alone.

    Raises:
        NoFilterError: nothing narrows the choice, and `everything` is not set.
    """
    states, changes = _ACTIONS[action]
    changes = dict(changes)
    if action in ("kick", "release"):
        changes["next_attempt_at"] = now
    if action in ("fail", "drop"):
        changes["settled_at"] = now
    if action == "hold":
        changes["held_at"] = now
        changes["hold_reason"] = reason or "The operator of this server holds it."
    return _apply(filters, states, changes, now=now)


def set_mode(mode: Mode, filters: Filters, *, now: datetime) -> list[int]:
    """Change how the picked copies are sent from their next attempt on."""
    return _apply(filters, WAITING_STATES, {"mode": mode}, now=now)


def schedule(at: datetime, filters: Filters, *, now: datetime) -> list[int]:
    """Give the picked copies another time to leave."""
    return _apply(filters, DUE_STATES, {"next_attempt_at": at}, now=now)


def preview(action: str, filters: Filters, *, now: datetime) -> list[int]:
    """Return the ids that `act` would touch."""
    _check(filters)
    states = _ACTIONS[action][0] if action in _ACTIONS else WAITING_STATES
    return list(picked(filters, now=now, states=states).values_list("pk", flat=True))


def _check(filters: Filters) -> None:
    if filters.is_empty and not filters.everything:
        raise NoFilterError


def _apply(
    filters: Filters, states: tuple[State, ...], changes: dict[str, Any], *, now: datetime
) -> list[int]:
    _check(filters)
    with transaction.atomic():
        ids = list(picked(filters, now=now, states=states).values_list("pk", flat=True))
        touched = Recipient.objects.filter(pk__in=ids, state__in=states)
        messages = set(touched.values_list("message_id", flat=True))
        touched.update(**changes)
        _tell(messages, changes.get("state"))
    return ids


def _tell(messages: set[int], state: State | None) -> None:
    """Refresh open pages, start what may leave, have senders told, drop bytes nobody needs."""
    services.tell_owners(messages)
    if state is State.QUEUED:
        enqueue(tasks.drain)
    if state is State.FAILED:
        enqueue(tasks.notify)
    if state is State.CANCELLED:
        services.forget_content(messages)
