"""The outbox: every message that is not finished, those that need their sender first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from delivery.models import DUE_STATES, OPEN_STATES, Content, OutboundMessage, Recipient, State
from delivery.policy import words
from delivery.policy.choice import MODE_NAMES
from delivery.policy.modes import Mode
from delivery.policy.record import Mechanism
from delivery.policy.ways_out import Plight, Trouble, WayOut, ways_out
from delivery.selectors import outbox_words
from delivery.selectors.domains import DomainView, domain_views, row_of
from delivery.services import lifetime_of

NEEDS = Q(state=State.HELD, asks_sender=True) | Q(state=State.FAILED, is_dismissed=False)
UNFINISHED = Q(state__in=OPEN_STATES) | NEEDS
MOST_MESSAGES = 200
MOST_COPIES = 50
MOST_ON_ITS_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCopy:
    """One copy, with what its sender can do about it."""

    recipient: Recipient
    row: words.LedgerRow
    tag: str
    tone: str
    when: str
    sentence: str
    reply: str
    server: str
    mode_name: str
    can_cancel: bool
    can_change_mode: bool
    choices: tuple[WayOut, ...]


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
    needs_sender: bool
    can_undo: bool
    can_edit: bool
    can_cancel: bool
    can_send_now: bool
    can_retry: bool
    can_reschedule: bool
    can_change_mode: bool
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
    unfinished = Recipient.objects.filter(UNFINISHED)
    found = OutboundMessage.objects.filter(
        pk__in=unfinished.filter(message__owner_id=owner_id).values("message_id")
    )
    items = _items(found.order_by("-queued_at", "-id")[:MOST_MESSAGES], unfinished, owner_id, now)
    return Outbox(
        needs=tuple(item for item in items if item.needs_sender),
        moving=tuple(item for item in items if not item.needs_sender),
    )


def outbox_items(
    *, owner_id: int, message_ids: Iterable[int], now: datetime
) -> dict[int, OutboxItem]:
    """Return some of the account's messages with all their copies, also those that are finished."""
    found = OutboundMessage.objects.filter(owner_id=owner_id, pk__in=list(message_ids))
    items = _items(found, Recipient.objects.all(), owner_id, now, most=MOST_ON_ITS_PAGE)
    return {item.message.pk: item for item in items}


def asking_messages(owner_id: int, *, most: int) -> list[OutboundMessage]:
    """Return messages that are held until their sender has decided, the latest held first."""
    asking = Recipient.objects.filter(
        state=State.HELD, asks_sender=True, message__owner_id=owner_id
    ).order_by("-held_at", "-id")
    keys = dict.fromkeys(asking.values_list("message_id", flat=True)[: most * 10])
    messages = OutboundMessage.objects.in_bulk(list(keys)[:most])
    return [messages[key] for key in keys if key in messages]


def _items(
    messages: QuerySet[OutboundMessage],
    copies: QuerySet[Recipient],
    owner_id: int,
    now: datetime,
    *,
    most: int = MOST_COPIES,
) -> list[OutboxItem]:
    ready = copies.select_related("message", "last_attempt").order_by("id")
    mine = Recipient.objects.filter(message=OuterRef("pk"))
    still_here = Q(state__in=(*DUE_STATES, State.HELD), attempts_made=0)
    annotated = messages.annotate(
        has_content=Exists(Content.objects.filter(message=OuterRef("pk"))),
        has_begun=Exists(mine.exclude(state=State.CANCELLED).exclude(still_here)),
    ).prefetch_related(Prefetch("recipients", queryset=ready, to_attr="shown"))
    loaded = [message for message in annotated if _copies(message)]
    domains = {copy.domain for message in loaded for copy in _copies(message)}
    views = domain_views(owner_id=owner_id, domains=domains, now=now)
    return [_item(message, _copies(message), views, now, most) for message in loaded]


def _copies(message: OutboundMessage) -> list[Recipient]:
    found: list[Recipient] = message.shown  # type: ignore[attr-defined]
    return found


def _urgency(copy: Recipient) -> int:
    """Order copies by how much their sender has to know of them."""
    state = State(copy.state)
    if state is State.FAILED and copy.is_dismissed:
        return len(_URGENT_FIRST)
    return 0 if copy.asks_sender and state is State.HELD else _URGENT_FIRST.index(state) + 1


_URGENT_FIRST = (
    State.FAILED,
    State.SENDING,
    State.QUEUED,
    State.SCHEDULED,
    State.WAITING,
    State.HELD,
    State.DELIVERED,
    State.CANCELLED,
)


def _item(
    message: OutboundMessage,
    copies: list[Recipient],
    views: dict[str, DomainView],
    now: datetime,
    most: int,
) -> OutboxItem:
    states = {State(copy.state) for copy in copies}
    leading = min(copies, key=_urgency)
    first = _copy(leading, message, views[leading.domain], now)
    undo = _seconds_to_undo(message, states, now)
    begun: bool = message.has_begun  # type: ignore[attr-defined]
    return OutboxItem(
        message=message,
        state=leading.state,
        tag=first.tag,
        tone=first.tone,
        when=first.when,
        subject=message.subject,
        sentence=outbox_words.sentence(leading, now, is_undoable=undo is not None),
        reply=first.reply,
        copies=tuple(
            first if copy is leading else _copy(copy, message, views[copy.domain], now)
            for copy in copies[:most]
        ),
        hidden_copies=max(0, len(copies) - most),
        seconds_to_undo=undo,
        needs_sender=any(_needs_sender(copy) for copy in copies),
        can_undo=undo is not None,
        can_edit=not begun,
        can_cancel=bool(states & {State.SCHEDULED, State.HELD, State.QUEUED, State.WAITING}),
        can_send_now=State.SCHEDULED in states,
        can_retry=State.WAITING in states,
        can_reschedule=State.SCHEDULED in states,
        can_change_mode=any(_can_change_mode(copy, message) for copy in copies),
        choices=first.choices,
    )


def _needs_sender(copy: Recipient) -> bool:
    if copy.state == State.FAILED:
        return not copy.is_dismissed
    return copy.state == State.HELD and copy.asks_sender


def _copy(copy: Recipient, message: OutboundMessage, view: DomainView, now: datetime) -> OutboxCopy:
    tag, tone = outbox_words.tag(copy)
    can_change = _can_change_mode(copy, message)
    return OutboxCopy(
        recipient=copy,
        row=row_of(view, now),
        tag=tag,
        tone=tone,
        when=outbox_words.when(copy, now),
        sentence=outbox_words.sentence(copy, now),
        reply=copy.server_reply if copy.state in (State.WAITING, State.FAILED) else "",
        server=copy.last_attempt.mx if copy.last_attempt else "",
        mode_name=MODE_NAMES[Mode(copy.mode)],
        can_cancel=copy.state in (*DUE_STATES, State.HELD),
        can_change_mode=can_change,
        choices=_choices(copy, message, view, now),
    )


def _can_change_mode(copy: Recipient, message: OutboundMessage) -> bool:
    if copy.state == State.FAILED:
        return bool(message.has_content) and not copy.is_dismissed  # type: ignore[attr-defined]
    return copy.state in (*DUE_STATES, State.HELD)


def _choices(
    copy: Recipient, message: OutboundMessage, view: DomainView, now: datetime
) -> tuple[WayOut, ...]:
    """Return what can be done about a copy that failed, waits, or is held for a word."""
    plight = _plight(copy)
    if plight is None:
        return ()
    is_held = plight is Plight.HELD
    return ways_out(
        Trouble(
            plight=plight,
            domain=row_of(view, now).domain,
            order=copy.order,
            stopped_by=Mechanism(copy.last_attempt.stopped_by if copy.last_attempt else ""),
            enhanced=copy.enhanced,
            forecast=view.foresee(copy.order, now) if is_held else None,
            has_content=message.has_content,  # type: ignore[attr-defined]
            lifetime_days=lifetime_of(copy.order.sender).days,
        )
    )


def _plight(copy: Recipient) -> Plight | None:
    if copy.state == State.WAITING:
        return Plight.WAITING
    if not _needs_sender(copy):
        return None
    return Plight.FAILED if copy.state == State.FAILED else Plight.HELD


def _seconds_to_undo(
    message: OutboundMessage, states: Iterable[State], now: datetime
) -> int | None:
    """Return how long Undo is still offered; the server holds the message a little longer."""
    if message.undo_until is None or not set(states) <= {State.SCHEDULED, State.HELD}:
        return None
    left = int((message.undo_until - now).total_seconds())
    return left if left > 0 else None
