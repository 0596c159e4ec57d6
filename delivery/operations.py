"""What operators do to many copies at once: commands and the admin call it, and it leaves a trace.

Rule: what is being sent right now is left alone. Rows that a worker is taking in this moment are
passed over, so a count that was given is exact. Each change is one transaction, log entry included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, Value, When

from delivery import audit, orders, services, tasks
from delivery.models import DUE_STATES, Recipient, State
from delivery.orders import Order
from delivery.picking import Chosen
from delivery.policy.promise import IfWorse
from delivery.webhooks import events as webhook_events
from mailweb.lib.queue import enqueue

AT_A_TIME = 2000
DOMAINS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an order would touch, by state and by domain (the largest first), and what it leaves."""

    count: int
    by_state: tuple[tuple[str, int], ...] = ()
    by_domain: tuple[tuple[str, int], ...] = ()
    other_domains: int = 0
    left_alone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an order touched, and what it left alone, in sentences."""

    ids: list[int] = field(default_factory=list)
    left_alone: tuple[str, ...] = ()


def preview(order: Order, chosen: Chosen, *, now: datetime, is_asked: bool = True) -> Preview:
    """Return what `order` would do to the chosen copies; nothing is changed.

    Without `is_asked`, what the verb needs may still be missing.

    Raises:
        BadOrderError: it can't be done at all.
    """
    if is_asked:
        orders.check(order, now=now)
    rows = Recipient.objects.filter(pk__in=_touchable(order, chosen).values("pk")).order_by()
    states = rows.values("state").annotate(depth=Count("id")).order_by("state")
    by_state = tuple((row["state"], row["depth"]) for row in states)
    domains = rows.values("domain").annotate(depth=Count("id")).order_by("-depth", "domain")
    by_domain = [(row["domain"], row["depth"]) for row in domains]
    return Preview(
        count=sum(depth for _, depth in by_state),
        by_state=by_state,
        by_domain=tuple(by_domain[:DOMAINS_SHOWN]),
        other_domains=max(0, len(by_domain) - DOMAINS_SHOWN),
        left_alone=_left_alone(order, chosen),
    )


def ids_of(order: Order, chosen: Chosen) -> list[int]:
    """Return the ids of the copies that `order` would touch."""
    return list(_touchable(order, chosen).values_list("pk", flat=True))


def carry_out(order: Order, chosen: Chosen, *, by: audit.Actor, now: datetime) -> Done:
    """Do it to the chosen copies that allow it, and write down who did.

    Raises:
        BadOrderError: it can't be done at all.
    """
    orders.check(order, now=now)
    with transaction.atomic():
        locked = _touchable(order, chosen).select_for_update(skip_locked=True, of=("self",))
        ids = list(locked.values_list("pk", flat=True))
        for batch in _batches(ids):
            _change(order, batch, now)
        if ids:
            audit.write(_entry(order, chosen, ids, by, now))
        left = _left_alone(order, chosen)
    return Done(ids=ids, left_alone=left)


_HAS_BEGUN = Exists(
    Recipient.objects.filter(
        Q(attempts_made__gt=0) | Q(state=State.WAITING), message=OuterRef("message_id")
    )
)
"""Whether any copy of the message was tried, or waits for a way out: its lifetime runs."""


def _touchable(order: Order, chosen: Chosen) -> Any:
    return chosen.among(order.verb.states, _condition(order))


def _condition(order: Order) -> Q:
    """A time after a message's last hour would be no time at all: such copies stay as they are.

    A message of which no copy was tried has no last hour yet: it is counted from the new time.
    """
    return Q(message__expires_at__gt=order.at) | Q(~_HAS_BEGUN) if order.at is not None else Q()


def _left_alone(order: Order, chosen: Chosen) -> tuple[str, ...]:
    sending = chosen.rows.filter(state=State.SENDING).count()
    late = 0
    if order.at is not None:
        late = chosen.rows.filter(~_condition(order), state__in=order.verb.states).count()
    said = [
        (sending, "being sent right now"),
        (late, "given up before that time"),
    ]
    return tuple(f"{_copies(number)} {words}" for number, words in said if number)


def _copies(number: int) -> str:
    return "1 copy is" if number == 1 else f"{number} copies are"


def _batches(ids: list[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while batch := list(islice(rest, AT_A_TIME)):
        yield batch


def _change(order: Order, ids: list[int], now: datetime) -> None:
    """Change a batch; refresh open pages, start what may leave, have senders told."""
    rows = Recipient.objects.filter(pk__in=ids)
    beginning = _beginning(order, ids)
    rows.update(**_columns(order, now))
    _start_lifetimes(beginning)
    messages = set(rows.values_list("message_id", flat=True))
    services.tell_owners(messages)
    if order.verb.name == "release":
        leaving = rows.filter(state=State.QUEUED).values_list("message_id", flat=True)
        services.start_lifetimes(set(leaving), at=now)
    if order.starts:
        enqueue(tasks.drain)
    if order.verb.name == "fail":
        enqueue(tasks.notify)
    if order.verb.name == "drop":
        services.forget_content(messages)
    if order.verb.name in ("hold", "fail", "drop"):
        webhook_events.note(ids, now=now)


def _beginning(order: Order, ids: list[int]) -> set[int]:
    """Return the messages whose first try is moved by `order`, and their lifetimes with it."""
    if order.verb.name == "schedule":
        states = [State.SCHEDULED, State.QUEUED]
    elif order.verb.name == "kick" or order.is_now:
        states = [State.SCHEDULED]
    else:
        return set()
    rows = Recipient.objects.filter(~_HAS_BEGUN, pk__in=ids, state__in=states)
    return set(rows.values_list("message_id", flat=True))


def _start_lifetimes(messages: Iterable[int]) -> None:
    """Count lifetimes from when the last of a message's copies leaves."""
    leaving = Recipient.objects.filter(message__in=messages, state__in=DUE_STATES).order_by()
    last = leaving.values_list("message_id").annotate(at=Max("next_attempt_at"))
    by_time: dict[datetime, list[int]] = defaultdict(list)
    for message, at in last:
        by_time[at].append(message)
    for at, keys in by_time.items():
        services.start_lifetimes(keys, at=at)


def _columns(order: Order, now: datetime) -> dict[str, Any]:
    """Return the new columns of every copy that is touched."""
    make = {
        "kick": _kicked,
        "hold": _held,
        "release": _released,
        "fail": _failed,
        "drop": _dropped,
        "mode": lambda order, _: {"mode": order.mode},
        "transport": lambda order, _: {"transport": order.transport},
        "schedule": _scheduled,
    }
    changes = make[order.verb.name](order, now)
    return changes | _due_now(now) if order.is_now else changes


def _due_now(now: datetime) -> dict[str, Any]:
    """Let what may leave do so; what is held stays."""
    return {
        "state": Case(
            When(state__in=DUE_STATES, then=Value(State.QUEUED.value)), default=F("state")
        ),
        "next_attempt_at": Case(
            When(state__in=DUE_STATES, then=Value(now)), default=F("next_attempt_at")
        ),
    }


def _kicked(_: Order, now: datetime) -> dict[str, Any]:
    return {"state": State.QUEUED, "next_attempt_at": now}


def _held(order: Order, now: datetime) -> dict[str, Any]:
    """Keep the time, so that mail that was to leave later does not leave early when released."""
    return {
        "state": State.HELD,
        "held_at": now,
        "hold_reason": order.reason or "The operator of this server holds it.",
        "asks_sender": False,
    }


def _released(_: Order, now: datetime) -> dict[str, Any]:
    """Who releases does not speak for the sender: the verdict is worked out again."""
    is_early = When(next_attempt_at__gt=now, attempts_made=0, then=Value(State.SCHEDULED.value))
    keeps = When(next_attempt_at__gt=now, attempts_made=0, then=F("next_attempt_at"))
    return {
        "state": Case(is_early, default=Value(State.QUEUED.value)),
        "next_attempt_at": Case(keeps, default=Value(now)),
        "hold_reason": "",
        "if_worse": IfWorse.HOLD,
        "asks_sender": False,
        "held_by": None,
        "passes_holds": True,
    }


def _failed(order: Order, now: datetime) -> dict[str, Any]:
    sentence = "The operator of this server stopped this copy"
    sentence += f": {order.reason.rstrip('.')}." if order.reason else "."
    return {
        "state": State.FAILED,
        "next_attempt_at": None,
        "settled_at": now,
        "hold_reason": "",
        "asks_sender": False,
        "held_by": None,
        "code": 554,
        "enhanced": "5.7.0",
        "last_reply": f"554 5.7.0 {sentence}",
        "explanation": sentence,
        "notice_due": True,
    }


def _dropped(_: Order, now: datetime) -> dict[str, Any]:
    return {
        "state": State.CANCELLED,
        "next_attempt_at": None,
        "settled_at": now,
        "hold_reason": "",
        "asks_sender": False,
        "held_by": None,
    }


def _scheduled(order: Order, now: datetime) -> dict[str, Any]:
    """A copy that was due becomes one that waits, so that pages tell it so."""
    if order.at is None or order.at <= now + timedelta(seconds=1):
        return {"next_attempt_at": order.at or now}
    untried = When(state=State.QUEUED, attempts_made=0, then=Value(State.SCHEDULED.value))
    tried = When(state=State.QUEUED, then=Value(State.WAITING.value))
    return {
        "next_attempt_at": order.at,
        "state": Case(untried, tried, default=F("state")),
    }


def _entry(
    order: Order, chosen: Chosen, ids: list[int], by: audit.Actor, now: datetime
) -> audit.Entry:
    detail = {"filters": chosen.filters, "ids": ids[: audit.IDS_KEPT], **order.values}
    return audit.Entry(
        action=f"queue {order.verb.name}",
        actor=by,
        at=now,
        target=f"{order.told} – {chosen.words}" if order.told else chosen.words,
        touched=len(ids),
        reason=order.reason,
        detail=detail,
    )
