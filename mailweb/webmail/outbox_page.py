"""What the outbox shows, ready to be placed: each message with its state and its buttons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.urls import reverse

if TYPE_CHECKING:
    from delivery.models import Recipient
    from delivery.selectors import Outbox, OutboxItem, WayOut

ICONS: Final = {
    "failed": "fail",
    "held": "pause",
    "waiting": "retry",
    "scheduled": "clock",
    "queued": "sent",
    "sending": "sent",
}
_WAYS: Final = {
    "keep-trying": "webmail:keep-trying",
    "other-address": "webmail:other-address",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A way out of a failure, and where it is posted."""

    title: str
    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button of one message. `kind` is how it looks: primary, plain, or text."""

    words: str
    url: str
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One message."""

    item: OutboxItem
    icon: str
    actions: tuple[Action, ...]
    tiles: tuple[Tile, ...]
    undo_of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxPage:
    """The two lists, what is said above them, and when they change by themselves."""

    needs: tuple[Card, ...]
    moving: tuple[Card, ...]
    summary: str
    notice: str
    soonest: int


def outbox_page(box: Outbox, *, notice: str = "") -> OutboxPage:
    """Return the page of an outbox."""
    left = [item.seconds_to_undo for item in box.moving if item.seconds_to_undo is not None]
    return OutboxPage(
        needs=tuple(_card(item) for item in box.needs),
        moving=tuple(_card(item) for item in box.moving),
        summary=_summary(len(box.needs), len(box.moving)),
        notice=notice,
        soonest=min(left) + 1 if left else 0,
    )


def _summary(needs: int, moving: int) -> str:
    total = needs + moving
    if not total:
        return ""
    words = "1 message" if total == 1 else f"{total} messages"
    return f"{words}, {needs} {'needs' if needs == 1 else 'need'} you" if needs else words


def _card(item: OutboxItem) -> Card:
    message = item.message
    undo_until, queued_at = message.undo_until, message.queued_at
    window = round((undo_until - queued_at).total_seconds()) if undo_until else 0
    return Card(
        item=item,
        icon=ICONS.get(item.state, "clock"),
        actions=_actions(item),
        tiles=_tiles(item),
        undo_of=window,
    )


def _actions(item: OutboxItem) -> tuple[Action, ...]:
    def to(name: str) -> str:
        return reverse(f"webmail:{name}", args=[item.message.uuid])

    if item.state == "failed":
        return (Action(words="Put away", url=to("put-away"), kind="text"),)
    actions = []
    if item.can_undo:
        actions.append(Action(words="Undo", url=to("undo-send"), kind="primary"))
    if item.can_send_now:
        words = "Send anyway" if item.state == "held" else "Send now"
        actions.append(Action(words=words, url=to("send-now")))
    if item.can_retry:
        actions.append(Action(words="Try now", url=to("retry-now")))
    if item.state == "scheduled" and not item.can_undo:
        actions.append(Action(words="Edit", url=to("undo-send"), kind="text"))
    if item.can_cancel and not item.can_undo:
        actions.append(Action(words="Cancel", url=to("cancel-send"), kind="text"))
    return tuple(actions)


def _tiles(item: OutboxItem) -> tuple[Tile, ...]:
    """Return the ways out for the copy that decides the item's state."""
    leading = next(
        (one.recipient for one in item.copies if one.recipient.state == item.state), None
    )
    if leading is None:
        return ()
    return tuple(
        Tile(title=way.title, text=way.text, url=_way_url(item, leading, way))
        for way in item.choices
    )


def _way_url(item: OutboxItem, copy: Recipient, way: WayOut) -> str:
    args: list[object] = [item.message.uuid, copy.pk]
    if way.key in _WAYS:
        return reverse(_WAYS[way.key], args=args)
    return reverse("webmail:change-mode", args=[*args, way.key])
