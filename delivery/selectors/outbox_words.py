"""What the outbox says about one copy: its state in a word, when, and why in a sentence."""

from __future__ import annotations

from datetime import datetime

from delivery.models import Recipient, State
from delivery.policy.choice import MODE_NAMES
from delivery.policy.dates import ago, day
from delivery.policy.modes import Mode
from delivery.policy.promise import IfWorse
from delivery.rule_models import HELD_BY_OPERATOR

_TAGS = {
    State.FAILED: ("Failed", "bad"),
    State.HELD: ("Held", "quiet"),
    State.SENDING: ("Sending", "quiet"),
    State.QUEUED: ("Sending", "quiet"),
    State.SCHEDULED: ("Scheduled", "quiet"),
    State.WAITING: ("Waiting", "quiet"),
    State.DELIVERED: ("Delivered", "yes"),
    State.CANCELLED: ("Cancelled", "quiet"),
}


def tag(copy: Recipient) -> tuple[str, str]:
    """Return a copy's state in a word, and its tone."""
    if copy.state == State.HELD and copy.asks_sender:
        return "Held", "warn"
    return _TAGS[State(copy.state)]


def when(copy: Recipient, now: datetime) -> str:
    """Return since when, or until when, that is so."""
    if copy.state == State.WAITING and copy.next_attempt_at:
        return f"again {clock(copy.next_attempt_at, now)}"
    if copy.state == State.SCHEDULED and copy.next_attempt_at:
        return clock(copy.next_attempt_at, now)
    if copy.state == State.HELD and copy.held_at:
        return f"since {_since(copy.held_at, now)}"
    if copy.settled_at:
        return ago(copy.settled_at, now).capitalize()
    return ago(copy.message.queued_at, now).capitalize()


def clock(at: datetime, now: datetime) -> str:
    """Return a time in the near future, by the clock of `now`."""
    at = at.astimezone(now.tzinfo)
    if at.date() == now.date():
        return f"at {at:%H:%M}"
    if (at.date() - now.date()).days == 1:
        return f"tomorrow {at:%H:%M}"
    return f"{day(at, now)} {at:%H:%M}"


def _since(at: datetime, now: datetime) -> str:
    at = at.astimezone(now.tzinfo)
    return f"{at:%H:%M}" if at.date() == now.date() else day(at, now)


def sentence(copy: Recipient, now: datetime, *, is_undoable: bool = False) -> str:
    """Return what is going on with a copy, in plain words."""
    state = State(copy.state)
    if state is State.FAILED:
        return copy.explanation or "The server refused it."
    if state is State.HELD:
        return _held(copy)
    if state is State.WAITING:
        return _waiting(copy, now)
    if state is State.SCHEDULED and copy.next_attempt_at:
        mode = "" if copy.mode == Mode.DEFAULT else f" with {MODE_NAMES[Mode(copy.mode)]}"
        leaves = "in a moment" if is_undoable else clock(copy.next_attempt_at, now)
        judged = " If it would travel worse then, it is held and you are told."
        return f"Leaves{mode} {leaves}.{judged if copy.if_worse and copy.promised else ''}"
    if state is State.DELIVERED:
        return "Their server has taken it."
    if state is State.CANCELLED:
        return "Nothing was sent."
    return "It is being handed over now."


def _held(copy: Recipient) -> str:
    """Say who holds it, and why."""
    if copy.asks_sender:
        return f"{copy.explanation} It waits for your word.".strip()
    reason = copy.hold_reason.rstrip(".")
    if reason in ("", HELD_BY_OPERATOR.rstrip(".")):
        return HELD_BY_OPERATOR
    return f"The operator of this server holds it: {reason}."


def _waiting(copy: Recipient, now: datetime) -> str:
    reason = copy.explanation or "The server asked us to come back later."
    if copy.if_worse == IfWorse.WAIT and not copy.attempts_made and copy.next_attempt_at:
        again = clock(copy.next_attempt_at, now)
        return f"{reason} It goes as soon as that is so again; next look {again}."
    return f"{reason} {_tries(copy.attempts_made)} so far."


def _tries(number: int) -> str:
    return {0: "No try", 1: "One try"}.get(number, f"{number} tries")
