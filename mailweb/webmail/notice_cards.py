"""Cards about deliveries that need a decision: above the list of a mailbox, and on a notice's page.

Each has a notice in the inbox, and its card goes with that; only where mail is held for a word of its
sender, the card stays until they have decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from django.urls import reverse
from django.utils import timezone

from delivery import selectors as delivery
from mailweb.webmail import days, outbox_page, services
from mailweb.webmail.models import Message, Notice, Role
from mailweb.webmail.selectors.lists import NO_SUBJECT, notices_in

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import User
    from delivery.models import OutboundMessage
    from mailweb.webmail.models import Mailbox
    from mailweb.webmail.outbox_page import Card, Tile

MOST_HELD = 3
MOST_BUTTONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeCard:
    """One card: what happened, and the first ways out.

    `key` is the notice's, empty where it has been read. `away_url` and `away` are the button that
    takes the card away without doing anything.
    """

    key: str
    title: str
    text: str
    date: str
    at: datetime
    tone: str
    url: str
    tiles: tuple[Tile, ...] = ()
    away: str = ""
    away_url: str = ""


def cards_in(mailbox: Mailbox, *, user: User, now: datetime, back: str) -> tuple[NoticeCard, ...]:
    """Return the cards above a mailbox's list; buttons lead to `back`."""
    notices = notices_in(mailbox)
    held = delivery.asking_messages(user.pk, most=MOST_HELD) if mailbox.role == Role.INBOX else []
    about = {notice.reports_on_id for notice in notices} - {None}
    keys = [*(message.pk for message in held), *(key for key in about if key is not None)]
    cards = _cards(user, keys, now=now, back=back)
    asking = {one.reports_on_id: one for one in notices if one.notice == Notice.HELD}
    found = [
        _held(cards[message.pk], asking.get(message.pk), now)
        for message in held
        if message.pk in cards
    ]
    for notice in notices:
        if notice.notice == Notice.HELD:
            continue
        card = cards.get(notice.reports_on_id or 0)
        found.append(_told(notice, card, now=now, back=back))
    return tuple(found)


def card_about(notice: Message, *, now: datetime, back: str) -> Card | None:
    """Return what became of the delivery that a notice tells of; None if nothing is known of it."""
    if notice.notice == Notice.NONE or notice.reports_on_id is None:
        return None
    return _cards(notice.user, [notice.reports_on_id], now=now, back=back).get(notice.reports_on_id)


def answered(message: OutboundMessage, *, user: User) -> None:
    """Mark the notices about a message as read: their question has been answered."""
    unread = Message.objects.filter(user=user, reports_on=message, is_seen=False)
    uuids = list(unread.values_list("uuid", flat=True))
    if uuids:
        services.set_seen(user=user, uuids=uuids, is_seen=True)


def _cards(user: User, keys: list[int], *, now: datetime, back: str) -> dict[int, Card]:
    if not keys:
        return {}
    local_now = timezone.localtime(now)
    items = delivery.outbox_items(owner_id=user.pk, message_ids=keys, now=local_now)
    cards = outbox_page.cards_of([*items.values()], user=user, now=local_now, back=back)
    return {card.item.message.pk: card for card in cards}


def _held(card: Card, notice: Message | None, now: datetime) -> NoticeCard:
    item = card.item
    first = next(part for part in card.parts if part.copy.recipient.asks_sender)
    at = timezone.localtime(first.copy.recipient.held_at or item.message.queued_at)
    return NoticeCard(
        key=str(notice.uuid) if notice is not None else "",
        title=f"Held: {item.subject or NO_SUBJECT}",
        text=first.copy.sentence,
        date=days.short(at, timezone.localtime(now)),
        at=at,
        tone="warn",
        url=card.url,
        tiles=first.tiles[:MOST_BUTTONS],
    )


def _told(notice: Message, card: Card | None, *, now: datetime, back: str) -> NoticeCard:
    at = timezone.localtime(notice.received_at)
    is_failure = notice.notice == Notice.FAILED
    seen_url = f"{reverse('webmail:mark-seen', args=[notice.uuid])}?next={quote(back)}"
    is_open = card is not None and card.item.state in ("failed", "waiting")
    away_url = seen_url
    if card is not None and is_failure and card.item.state == "failed":
        away_url = (
            f"{reverse('webmail:put-away', args=[card.item.message.uuid])}?next={quote(back)}"
        )
    return NoticeCard(
        key=str(notice.uuid),
        title=notice.subject,
        text=_happened(card) or notice.snippet,
        date=days.short(at, timezone.localtime(now)),
        at=at,
        tone="bad" if is_failure else "warn",
        url=card.url if card else "",
        tiles=card.tiles[:MOST_BUTTONS] if card is not None and is_open else (),
        away="Put away" if is_failure else "Keep waiting",
        away_url=away_url,
    )


def _happened(card: Card | None) -> str:
    """Return what happened to the copy that matters most, as it stands now."""
    if card is None:
        return ""
    return f"“{card.item.subject or NO_SUBJECT}”: {card.item.sentence}"
