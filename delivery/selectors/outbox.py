"""The outbox: every message that is not finished, those that need their sender first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Prefetch, Q

from delivery.models import OPEN_STATES, OutboundMessage, Recipient, State
from delivery.policy import words
from delivery.policy.choice import MODE_NAMES
from delivery.policy.dates import ago, day
from delivery.policy.modes import Mode, PledgeKind
from delivery.policy.record import Mechanism
from delivery.selectors.domains import rows_for

NEEDS = Q(state=State.HELD) | Q(state=State.FAILED, is_dismissed=False)
UNFINISHED = Q(state__in=OPEN_STATES) | NEEDS
MOST_MESSAGES = 200
MOST_COPIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """Something the sender can do about a copy that failed or waits for a word."""

    key: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCopy:
    """One unfinished copy."""

    recipient: Recipient
    row: words.LedgerRow
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One message as the outbox shows it; the copy that needs most decides its state."""

    message: OutboundMessage
    state: str
    tag: str
    tone: str
    when: str
    subject: str
    sentence: str
    reply: str
    copies: tuple[OutboxCopy, ...]
    hidden_copies: int
    seconds_to_undo: int | None
    can_undo: bool
    can_cancel: bool
    can_send_now: bool
    can_retry: bool
    choices: tuple[WayOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What needs the sender, and what is on its way."""

    needs: tuple[OutboxItem, ...]
    moving: tuple[OutboxItem, ...]


def outbox_counts(owner_id: int) -> tuple[int, int]:
    """Return how many messages are not finished, and how many of them need their sender."""
    found = Recipient.objects.filter(UNFINISHED, message__owner_id=owner_id).aggregate(
        open=Count("message", distinct=True), needs=Count("message", filter=NEEDS, distinct=True)
    )
    return found["open"], found["needs"]


def outbox(*, owner_id: int, now: datetime) -> Outbox:
    """Return the account's unfinished messages; four queries, however many there are."""
    unfinished = Recipient.objects.filter(UNFINISHED).select_related("message", "last_attempt")
    messages = list(
        OutboundMessage.objects.filter(
            pk__in=unfinished.filter(message__owner_id=owner_id).values("message_id")
        )
        .prefetch_related(Prefetch("recipients", queryset=unfinished, to_attr="unfinished"))
        .order_by("-queued_at", "-id")[:MOST_MESSAGES]
    )
    domains = {copy.domain for message in messages for copy in _copies(message)}
    rows = rows_for(owner_id=owner_id, domains=domains, now=now)
    items = [_item(message, _copies(message), rows, now) for message in messages]
    return Outbox(
        needs=tuple(item for item in items if item.tone in ("bad", "warn")),
        moving=tuple(item for item in items if item.tone not in ("bad", "warn")),
    )


def _copies(message: OutboundMessage) -> list[Recipient]:
    found: list[Recipient] = message.unfinished  # type: ignore[attr-defined]
    return found


_URGENT_FIRST = (
    State.FAILED,
    State.HELD,
    State.SENDING,
    State.QUEUED,
    State.SCHEDULED,
    State.WAITING,
)
_TAGS = {
    State.FAILED: ("Failed", "bad"),
    State.HELD: ("Held", "warn"),
    State.SENDING: ("Sending", "quiet"),
    State.QUEUED: ("Sending", "quiet"),
    State.SCHEDULED: ("Scheduled", "quiet"),
    State.WAITING: ("Waiting", "quiet"),
}


def _item(
    message: OutboundMessage,
    copies: list[Recipient],
    rows: dict[str, words.LedgerRow],
    now: datetime,
) -> OutboxItem:
    states = {State(copy.state) for copy in copies}
    state = next(one for one in _URGENT_FIRST if one in states)
    leading = next(copy for copy in copies if copy.state == state)
    undo = _seconds_to_undo(message, states, now)
    tag, tone = _TAGS[state]
    return OutboxItem(
        message=message,
        state=state,
        tag=tag,
        tone=tone,
        when=_when(leading, now),
        subject=message.subject,
        sentence=_sentence(leading, now, is_undoable=undo is not None),
        reply=leading.server_reply if state in (State.WAITING, State.FAILED) else "",
        copies=tuple(
            OutboxCopy(recipient=copy, row=rows[copy.domain], sentence=_sentence(copy, now))
            for copy in copies[:MOST_COPIES]
        ),
        hidden_copies=max(0, len(copies) - MOST_COPIES),
        seconds_to_undo=undo,
        can_undo=undo is not None,
        can_cancel=bool(states & {State.SCHEDULED, State.HELD, State.QUEUED, State.WAITING}),
        can_send_now=state == State.SCHEDULED or (state == State.HELD and not leading.held_by_id),
        can_retry=state is State.WAITING,
        choices=_ways_out(leading),
    )


def _seconds_to_undo(
    message: OutboundMessage, states: Iterable[State], now: datetime
) -> int | None:
    """Return how long Undo is still offered; the server holds the message a little longer."""
    if message.undo_until is None or set(states) != {State.SCHEDULED}:
        return None
    left = int((message.undo_until - now).total_seconds())
    return left if left > 0 else None


def _when(copy: Recipient, now: datetime) -> str:
    if copy.state == State.WAITING and copy.next_attempt_at:
        return f"again {_clock(copy.next_attempt_at, now)}"
    if copy.state == State.SCHEDULED and copy.next_attempt_at:
        return _clock(copy.next_attempt_at, now)
    if copy.state == State.FAILED and copy.settled_at:
        return ago(copy.settled_at, now).capitalize()
    return ago(copy.message.queued_at, now).capitalize()


def _clock(at: datetime, now: datetime) -> str:
    """Return a time in the near future, by the clock of `now`."""
    at = at.astimezone(now.tzinfo)
    if at.date() == now.date():
        return f"at {at:%H:%M}"
    if (at.date() - now.date()).days == 1:
        return f"tomorrow {at:%H:%M}"
    return f"{day(at, now)} {at:%H:%M}"


def _sentence(copy: Recipient, now: datetime, *, is_undoable: bool = False) -> str:
    """Return what is going on with a copy, in plain words."""
    if copy.state == State.FAILED:
        return copy.explanation or "The server refused it."
    if copy.state == State.HELD:
        return copy.hold_reason or copy.explanation or "It waits for your word."
    if copy.state == State.WAITING:
        reason = copy.explanation or "The server asked us to come back later."
        return f"{reason} {_tries(copy.attempts_made)} so far."
    if copy.state == State.SCHEDULED and copy.next_attempt_at:
        mode = "" if copy.mode == Mode.DEFAULT else f" with {MODE_NAMES[Mode(copy.mode)]}"
        when = "in a moment" if is_undoable else _clock(copy.next_attempt_at, now)
        return f"Leaves{mode} {when}."
    return "It is being handed over now."


def _tries(number: int) -> str:
    return {0: "No try", 1: "One try"}.get(number, f"{number} tries")


def _ways_out(copy: Recipient) -> tuple[WayOut, ...]:
    """Return what can be done about a copy that failed, or waits for TLS: up to three ways."""
    if copy.state == State.WAITING:
        return _ways_around(copy)
    if copy.state != State.FAILED:
        return ()
    again = WayOut(key="keep-trying", title="Try again", text="As before, for another five days.")
    other = WayOut(
        key="other-address",
        title="Another address",
        text="Opens the message with the recipient empty.",
    )
    if copy.enhanced == "5.7.30" or (
        copy.mode in (Mode.REQUIRETLS, Mode.VERIFIED) and copy.pledge != PledgeKind.VERIFIED
    ):
        weaker = WayOut(
            key="default",
            title=f"Without {MODE_NAMES[Mode(copy.mode)]}",
            text="To this recipient only, as well as the server allows.",
        )
        return (weaker, again, other)
    return (again, *_ways_around(copy), other)


def _ways_around(copy: Recipient) -> tuple[WayOut, ...]:
    """Return how a copy that waits for TLS gets through without; it is tried again in any case."""
    stopped_by = copy.last_attempt.stopped_by if copy.last_attempt else ""
    if copy.mode != Mode.DEFAULT or copy.pledge == PledgeKind.VERIFIED:
        return ()
    text = _WITHOUT_TLS.get(Mechanism(stopped_by))
    return (WayOut(key="optional", title="TLS optional, once", text=text),) if text else ()


_IGNORED = "To this recipient only. What their domain publishes is then ignored."
_WITHOUT_TLS = {
    Mechanism.DANE: _IGNORED,
    Mechanism.MTA_STS: _IGNORED,
    Mechanism.HISTORY: "To this recipient only. It may then travel in plain text.",
}
