"""Lists of messages and drafts: one page at a time, by key, never by offset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from delivery.models import Recipient, State
from mailweb.webmail import days, people
from mailweb.webmail.mime import text
from mailweb.webmail.models import Draft, Mailbox, Message, Notice, Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from accounts.models import User

PAGE = 50
MOST_NOTICES = 3
NO_SUBJECT = "(no subject)"

Kept = TypeVar("Kept", Message, Draft)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY = re.compile(r"(\d{1,18})-(\d{1,18})")


class Show(StrEnum):
    """Which of a mailbox's messages are listed."""

    ALL = ""
    UNREAD = "unread"
    FLAGGED = "flagged"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTag:
    """A word beside the subject: only where something needs the reader."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a list."""

    key: str
    url: str
    who: str
    subject: str
    snippet: str
    date: str
    at: datetime
    group: str
    is_unread: bool = False
    is_flagged: bool = False
    is_answered: bool = False
    has_attachments: bool = False
    is_draft: bool = False
    tag: RowTag | None = None
    mailbox: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows, newest first, and the keys of the pages beside them ("" for none)."""

    rows: tuple[Row, ...] = ()
    older: str = ""
    newer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a list a page begins: after `before`, or up to `after`. Empty: at the top."""

    before: str = ""
    after: str = ""

    @property
    def is_top(self) -> bool:
        """Whether this is the newest page."""
        return not (self.before or self.after)


TOP = Place()


def messages_in(
    mailbox: Mailbox,
    *,
    now: datetime,
    show: Show = Show.ALL,
    place: Place = TOP,
    without: Iterable[str] = (),
) -> Page:
    """Return a page of a mailbox. `without` are keys shown elsewhere on the page."""
    chosen = Message.objects.filter(mailbox=mailbox)
    if show is Show.UNREAD:
        chosen = chosen.filter(is_seen=False)
    elif show is Show.FLAGGED:
        chosen = chosen.filter(is_flagged=True)
    found, page = _page(chosen, "received_at", place)
    found = [message for message in found if str(message.uuid) not in set(without)]
    rows = rows_of(found, now=now, is_sent=mailbox.role == Role.SENT)
    return Page(rows=rows, older=page.older, newer=page.newer)


def drafts_of(user: User, *, now: datetime, place: Place = TOP) -> Page:
    """Return a page of the user's drafts, last changed first."""
    found, page = _page(Draft.objects.filter(user=user), "updated_at", place)
    rows = tuple(_draft_row(draft, now) for draft in found)
    return Page(rows=rows, older=page.older, newer=page.newer)


def notices_in(mailbox: Mailbox) -> list[Message]:
    """Return the latest unread notices about deliveries that went wrong."""
    found = Message.objects.filter(mailbox=mailbox, is_seen=False, notice__gt="")
    found = found.exclude(notice=Notice.ARRIVED)
    return list(found.select_related("user")[:MOST_NOTICES])


def rows_of(
    messages: Sequence[Message], *, now: datetime, is_sent: bool = False, has_place: bool = False
) -> tuple[Row, ...]:
    """Return the lines for messages; at most one query more, for how sent ones fared.

    `has_place`: the messages lie in several mailboxes, and each line says in which.
    """
    tags = _delivery_tags([m.outbound_id for m in messages if m.outbound_id is not None])
    return tuple(
        _row(
            message,
            now,
            is_sent=is_sent or (has_place and message.mailbox.role == Role.SENT),
            has_place=has_place,
            tag=tags.get(message.outbound_id),
        )
        for message in messages
    )


def _page(rows: QuerySet[Kept], field: str, place: Place) -> tuple[list[Kept], Page]:
    """Cut a page out of `rows`, ordered by `field` and then by id."""
    if place.after:
        found = list(_beyond(rows, field, place.after, "gt").order_by(field, "id")[: PAGE + 1])
        if len(found) > PAGE:
            found = found[PAGE - 1 :: -1]
            return found, Page(older=_key(found[-1], field), newer=_key(found[0], field))
        # Less than a page is newer: that is the top of the list.
        place = TOP
    if place.before:
        rows = _beyond(rows, field, place.before, "lt")
    found = list(rows.order_by(f"-{field}", "-id")[: PAGE + 1])
    has_more, found = len(found) > PAGE, found[:PAGE]
    return found, Page(
        older=_key(found[-1], field) if has_more else "",
        newer=_key(found[0], field) if place.before and found else "",
    )


def _beyond(rows: QuerySet[Kept], field: str, key: str, side: str) -> QuerySet[Kept]:
    """Return the rows on one side of a key; an unreadable key means all rows."""
    read = _KEY.fullmatch(key)
    if read is None:
        return rows
    try:
        at = _EPOCH + timedelta(microseconds=int(read[1]))
    except OverflowError:
        return rows
    # The first condition is what the index can use; the second settles ties.
    return rows.filter(**{f"{field}__{side}e": at}).filter(
        Q(**{f"{field}__{side}": at}) | Q(**{f"id__{side}": int(read[2])})
    )


def _key(row: Message | Draft, field: str) -> str:
    at: datetime = getattr(row, field)
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}-{row.pk}"


def _row(
    message: Message, now: datetime, *, is_sent: bool, has_place: bool, tag: RowTag | None
) -> Row:
    at, local_now = timezone.localtime(message.received_at), timezone.localtime(now)
    key = str(message.uuid)
    return Row(
        key=key,
        url=reverse("webmail:message", args=[key]),
        who=_recipients(message) if is_sent else sender_of(message),
        subject=message.subject or NO_SUBJECT,
        snippet=message.snippet,
        date=days.short(at, local_now),
        at=at,
        group=days.group(at, local_now),
        is_unread=not message.is_seen,
        is_flagged=message.is_flagged,
        is_answered=message.is_answered,
        has_attachments=message.has_attachments,
        tag=tag,
        mailbox=message.mailbox.name if has_place else "",
    )


def sender_of(message: Message) -> str:
    """Return whom the message is from, for people."""
    return people.shown(message.sender_name, message.sender_address)


def _recipients(message: Message) -> str:
    everybody = [*message.to, *message.cc, *message.bcc]
    return f"To {people.joined(people.names(everybody))}" if everybody else "(no recipients)"


def _draft_row(draft: Draft, now: datetime) -> Row:
    at, local_now = timezone.localtime(draft.updated_at), timezone.localtime(now)
    entries = [str(entry) for entry in (*draft.to, *draft.cc, *draft.bcc)]
    key = str(draft.uuid)
    return Row(
        key=key,
        url=reverse("webmail:draft", args=[key]),
        who=f"To {people.joined(entries)}" if entries else "No recipients yet",
        subject=draft.subject or NO_SUBJECT,
        snippet=text.snippet(draft.body),
        date=days.short(at, local_now),
        at=at,
        group=days.group(at, local_now),
        is_draft=True,
    )


_TAGS = {
    State.FAILED: RowTag(text="Not delivered", tone="bad"),
    State.HELD: RowTag(text="Held", tone="warn"),
    State.WAITING: RowTag(text="Waiting", tone="warn"),
    State.SCHEDULED: RowTag(text="Not left yet", tone=""),
    State.QUEUED: RowTag(text="Sending", tone=""),
    State.SENDING: RowTag(text="Sending", tone=""),
    State.CANCELLED: RowTag(text="Cancelled", tone=""),
}


def _delivery_tags(message_ids: list[int]) -> dict[int | None, RowTag]:
    """Return the worst that can be said of each message's copies; nothing if all arrived."""
    if not message_ids:
        return {}
    found: dict[int, set[str]] = {}
    states = Recipient.objects.filter(message_id__in=message_ids).order_by()
    for message_id, state in states.values_list("message_id", "state").distinct():
        found.setdefault(message_id, set()).add(state)
    return {
        message_id: next(tag for state, tag in _TAGS.items() if state in present)
        for message_id, present in found.items()
        if present != {State.DELIVERED}
    }
