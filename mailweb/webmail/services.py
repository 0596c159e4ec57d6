"""The write side of the mail store: file, move, flag, mark, delete.

Rule: a mailbox's counters change in the transaction that changes its messages, and by F(), so
that nothing has to be counted and nothing is lost between two writers.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, F, Q

from delivery import events
from mailweb.webmail.mime import parse
from mailweb.webmail.models import (
    SPECIAL_ROLES,
    Attachment,
    Blob,
    Mailbox,
    Message,
    Notice,
    Role,
    Thread,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

    from accounts.models import User
    from delivery.models import OutboundMessage
    from mailweb.webmail.mime.parse import ParsedMessage

MAX_AT_ONCE = 500


def mailboxes_for(user: User) -> dict[Role, Mailbox]:
    """Return the user's special mailboxes, made on first use."""
    found = _special(user)
    if len(found) < len(SPECIAL_ROLES):
        missing = [
            Mailbox(
                user=user,
                role=role,
                slug=role.value,
                name=role.value.capitalize(),
                position=10 * place,
            )
            for place, role in enumerate(SPECIAL_ROLES, start=1)
            if role not in found
        ]
        Mailbox.objects.bulk_create(missing, ignore_conflicts=True)
        found = _special(user)
    return found


def _special(user: User) -> dict[Role, Mailbox]:
    boxes = Mailbox.objects.filter(user=user).exclude(role=Role.PLAIN)
    return {Role(box.role): box for box in boxes}


@transaction.atomic
def file_message(
    *,
    user: User,
    role_or_mailbox: Role | Mailbox,
    data: bytes,
    now: datetime,
    is_seen: bool = False,
    outbound: OutboundMessage | None = None,
    reports_on: OutboundMessage | None = None,
    notice: Notice = Notice.NONE,
    bcc: Iterable[tuple[str, str]] = (),
) -> Message:
    """Store a message in a mailbox and return it.

    The bytes are parsed once, here; lists are drawn from the columns alone. `bcc` are
    (name, address) pairs that no header has, `outbound` is what a sent copy is a copy of.
    """
    mailbox = _mailbox(user, role_or_mailbox)
    parsed = parse.parse(data)
    message = Message(
        user=user,
        mailbox=mailbox,
        thread=_thread(user, parsed, now),
        blob=Blob.objects.create(data=data, size_bytes=len(data)),
        uid=_take_uids(mailbox, unseen=int(not is_seen), total=1),
        **_columns(parsed),
        bcc=[list(pair) for pair in bcc],
        sent_at=parsed.sent_at or now,
        received_at=now,
        size_bytes=len(data),
        is_seen=is_seen,
        outbound=outbound,
        reports_on=reports_on,
        notice=notice,
    )
    message.save(force_insert=True)
    _keep_attachments(message, parsed)
    events.publish(user.pk, events.MAILBOX_CHANGED, mailbox=mailbox.pk)
    return message


def _mailbox(user: User, role_or_mailbox: Role | Mailbox) -> Mailbox:
    if isinstance(role_or_mailbox, Mailbox):
        return role_or_mailbox
    return mailboxes_for(user)[role_or_mailbox]


def _columns(parsed: ParsedMessage) -> dict[str, object]:
    """Return what a message's row takes from its bytes."""
    return {
        "message_id": parsed.message_id,
        "in_reply_to": parsed.in_reply_to,
        "subject": parsed.subject,
        "sender_name": parsed.sender.name,
        "sender_address": parsed.sender.address,
        "to": [address.as_pair() for address in parsed.to],
        "cc": [address.as_pair() for address in parsed.cc],
        "snippet": parsed.snippet,
        "has_attachments": bool(parsed.files),
        "is_list": parsed.is_list,
    }


def _keep_attachments(message: Message, parsed: ParsedMessage) -> None:
    Attachment.objects.bulk_create(
        Attachment(
            message=message,
            part=part.path,
            name=part.name,
            content_type=part.content_type,
            size_bytes=part.size_bytes,
            content_id=part.content_id,
            is_inline=part.is_inline,
        )
        for part in parsed.attachments
    )


def _thread(user: User, parsed: ParsedMessage, now: datetime) -> Thread:
    """Return the thread of what this answers, or a new one."""
    answered = [key for key in (parsed.in_reply_to, *reversed(parsed.references)) if key]
    if answered:
        known = Message.objects.filter(user=user, message_id__in=answered)
        found = known.order_by("-id").values_list("thread", flat=True).first()
        if found:
            Thread.objects.filter(pk=found).update(last_message_at=now)
            return Thread.objects.get(pk=found)
    return Thread.objects.create(user=user, subject=parsed.subject, last_message_at=now)


def _take_uids(mailbox: Mailbox, *, unseen: int, total: int) -> int:
    """Count new messages into a mailbox; return the first of their `total` uids.

    The update locks the row until the transaction ends, so nobody else gets the same ones.
    """
    Mailbox.objects.filter(pk=mailbox.pk).update(
        uid_next=F("uid_next") + total, total=F("total") + total, unseen=F("unseen") + unseen
    )
    return Mailbox.objects.values_list("uid_next", flat=True).get(pk=mailbox.pk) - total


def _take_out(mailbox_id: int, *, unseen: int, total: int) -> None:
    Mailbox.objects.filter(pk=mailbox_id).update(
        total=F("total") - total, unseen=F("unseen") - unseen
    )


@transaction.atomic
def move_messages(*, user: User, uuids: Sequence[UUID], to: Mailbox) -> list[Message]:
    """Move the user's messages to a mailbox of theirs; return those moved, as they were before."""
    moved = list(_locked(user, uuids).exclude(mailbox=to))
    if not moved:
        return []
    unseen = sum(not message.is_seen for message in moved)
    first = _take_uids(to, unseen=unseen, total=len(moved))
    for uid, message in enumerate(moved, start=first):
        Message.objects.filter(pk=message.pk).update(mailbox=to, uid=uid)
    _leave(moved)
    _tell(user, {to.pk, *(message.mailbox_id for message in moved)})
    return moved


@transaction.atomic
def set_seen(*, user: User, uuids: Sequence[UUID], is_seen: bool) -> int:
    """Mark the user's messages as read or unread; return how many changed."""
    changed = list(_locked(user, uuids).filter(is_seen=not is_seen))
    Message.objects.filter(pk__in=[message.pk for message in changed]).update(is_seen=is_seen)
    boxes = Counter(message.mailbox_id for message in changed)
    for mailbox_id, number in sorted(boxes.items()):
        by = -number if is_seen else number
        Mailbox.objects.filter(pk=mailbox_id).update(unseen=F("unseen") + by)
    _tell(user, set(boxes))
    return len(changed)


@transaction.atomic
def set_flagged(*, user: User, uuids: Sequence[UUID], is_flagged: bool) -> int:
    """Put the star on the user's messages or take it off; return how many changed."""
    changed = list(_locked(user, uuids).filter(is_flagged=not is_flagged))
    Message.objects.filter(pk__in=[message.pk for message in changed]).update(is_flagged=is_flagged)
    _tell(user, {message.mailbox_id for message in changed})
    return len(changed)


@transaction.atomic
def delete_messages(*, user: User, uuids: Sequence[UUID]) -> int:
    """Delete for good those of the messages that lie in the trash; return how many."""
    gone = list(_locked(user, uuids).filter(mailbox__role=Role.TRASH))
    blobs = {message.blob_id for message in gone}
    Message.objects.filter(pk__in=[message.pk for message in gone]).delete()
    Blob.objects.filter(pk__in=blobs, messages__isnull=True).delete()
    Thread.objects.filter(
        pk__in={message.thread_id for message in gone}, messages__isnull=True
    ).delete()
    _leave(gone)
    _tell(user, {message.mailbox_id for message in gone})
    return len(gone)


def count_again(mailbox_ids: Iterable[int]) -> int:
    """Set the counters of mailboxes to what their messages say; return how many were wrong."""
    return sum(_count_again(mailbox_id) for mailbox_id in mailbox_ids)


@transaction.atomic
def _count_again(mailbox_id: int) -> bool:
    box = Mailbox.objects.select_for_update().get(pk=mailbox_id)
    real = Message.objects.filter(mailbox=box).aggregate(
        total=Count("id"), unseen=Count("id", filter=Q(is_seen=False))
    )
    if (box.total, box.unseen) == (real["total"], real["unseen"]):
        return False
    Mailbox.objects.filter(pk=mailbox_id).update(**real)
    events.publish(box.user_id, events.MAILBOX_CHANGED, mailbox=mailbox_id)
    return True


def _locked(user: User, uuids: Sequence[UUID]) -> QuerySet[Message]:
    """Return the user's messages, their rows locked where the database can do that."""
    chosen = Message.objects.filter(user=user, uuid__in=list(uuids)[:MAX_AT_ONCE])
    return chosen.select_for_update(of=("self",)).order_by("pk")


def _leave(messages: list[Message]) -> None:
    """Count messages out of the mailboxes they were in."""
    totals = Counter(message.mailbox_id for message in messages)
    unseen = Counter(message.mailbox_id for message in messages if not message.is_seen)
    for mailbox_id, total in sorted(totals.items()):
        _take_out(mailbox_id, unseen=unseen[mailbox_id], total=total)


def _tell(user: User, mailbox_ids: set[int]) -> None:
    for mailbox_id in sorted(mailbox_ids):
        events.publish(user.pk, events.MAILBOX_CHANGED, mailbox=mailbox_id)
