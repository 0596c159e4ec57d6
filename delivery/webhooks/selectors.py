"""An account's webhooks and their last calls, in words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from delivery.webhook_models import CallState, Event, Webhook, WebhookCall

if TYPE_CHECKING:
    from accounts.models import User

SHOWN_CALLS = 8

WORDS = {
    Event.DELIVERED: "delivered",
    Event.DELAYED: "delayed",
    Event.HELD: "held",
    Event.FAILED: "failed",
    Event.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call: `words` say how it went, `answer` what the other side said, if anything."""

    pk: int
    event: str
    at: datetime
    words: str
    answer: str
    is_finished: bool
    is_good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRow:
    """One webhook as its owner sees it."""

    pk: int
    url: str
    events: str
    state: str
    is_active: bool
    is_failing: bool
    calls: tuple[CallRow, ...]


def rows_of(owner: User) -> list[WebhookRow]:
    """Return the account's webhooks, each with its last calls."""
    hooks = list(Webhook.objects.filter(owner=owner))
    calls = _last_calls(hooks)
    return [_row(hook, calls[hook.pk]) for hook in hooks]


def _last_calls(hooks: list[Webhook]) -> dict[int, list[WebhookCall]]:
    number = Window(RowNumber(), partition_by=F("webhook"), order_by=F("id").desc())
    rows = WebhookCall.objects.filter(webhook__in=hooks).annotate(number=number)
    found: dict[int, list[WebhookCall]] = defaultdict(list)
    for call in rows.filter(number__lte=SHOWN_CALLS).defer("body").order_by("-id"):
        found[call.webhook_id].append(call)
    return found


def _row(hook: Webhook, calls: list[WebhookCall]) -> WebhookRow:
    return WebhookRow(
        pk=hook.pk,
        url=hook.url,
        events=", ".join(WORDS[event] for event in WORDS if hook.wants(event)),
        state=_state(hook, calls),
        is_active=hook.is_active,
        is_failing=hook.is_active and hook.failing_since is not None,
        calls=tuple(map(_call, calls)),
    )


def _state(hook: Webhook, calls: list[WebhookCall]) -> str:
    if not hook.is_active:
        words = f"Stopped. {hook.stopped_because}".rstrip()
    elif hook.failing_since is not None:
        words = f"Failing since {_moment(hook.failing_since)}; calls are repeated for three days."
    elif last := next((one for one in calls if one.state == CallState.DONE), None):
        words = f"Works. Last call {_moment(last.finished_at or last.created_at)}."
    else:
        words = "Not called yet."
    return f"{words} {hook.dropped} events were not kept." if hook.dropped else words


def _call(call: WebhookCall) -> CallRow:
    return CallRow(
        pk=call.pk,
        event=call.event,
        at=call.created_at,
        words=_went(call),
        answer=call.answer,
        is_finished=call.state in (CallState.DONE, CallState.GIVEN_UP),
        is_good=call.state == CallState.DONE,
    )


def _went(call: WebhookCall) -> str:
    status = f"answered {call.status}" if call.status else "no answer"
    tries = f" after {call.tries} tries" if call.tries > 1 else ""
    if call.state == CallState.DONE:
        return f"answered {call.status}{tries}"
    if call.state == CallState.GIVEN_UP:
        return f"given up{tries}: {status}"
    if call.tries and call.next_try_at:
        return f"{status}; again {_moment(call.next_try_at)}"
    return "waits"


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%B, %H:%M} UTC"
