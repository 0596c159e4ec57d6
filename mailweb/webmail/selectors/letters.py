"""One message as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils import timezone

from accounts import selectors as accounts
from delivery import selectors as delivery
from delivery.selectors import Receipt
from mailweb.webmail import days, people
from mailweb.webmail.mime import parse, sanitize, text
from mailweb.webmail.mime.text import Block
from mailweb.webmail.models import Attachment, Mailbox, Message, Notice, Role
from mailweb.webmail.selectors.lists import NO_SUBJECT, sender_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from mailweb.webmail.mime.parse import ParsedMessage

MOST_IN_THREAD = 30
MOST_CHARACTERS = 300_000
MOST_BLOCKS = 3000
FOLD_QUOTES_FROM = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What is shown in one piece; long quotes are folded."""

    blocks: tuple[Block, ...]
    is_folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One line of the details: From, To, …"""

    label: str
    people: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadPart:
    """Another message of the same conversation."""

    url: str
    who: str
    initials: str
    snippet: str
    when: str
    is_unread: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message, read: everything its page needs, nothing that has to be worked out there."""

    message: Message
    subject: str
    who: str
    initials: str
    address: str
    readers: str
    when: str
    parties: tuple[Party, ...]
    passages: tuple[Passage, ...]
    has_html: bool
    shows_html: bool
    shows_remote: bool
    remote_pictures: int
    is_cut: bool
    files: tuple[Attachment, ...]
    thread: tuple[ThreadPart, ...]
    answer_to: str
    answers_several: bool
    is_own: bool
    is_in_trash: bool
    is_notice: bool


def letter(
    message: Message, *, now: datetime, as_text: bool = False, allow_remote: bool = False
) -> Letter:
    """Return the message for its page. `as_text`: not the HTML, even if there is some."""
    parsed = parse.parse(bytes(message.blob.data))
    own = [str(address).lower() for address in accounts.addresses_of(message.user)]
    shows_html = bool(parsed.html) and not as_text
    local_now = timezone.localtime(now)
    sender = sender_of(message)
    readable = "" if shows_html else parsed.readable_text
    is_own = message.sender_address.lower() in own
    return Letter(
        message=message,
        subject=message.subject or NO_SUBJECT,
        who="You" if is_own else sender,
        initials=people.initials(sender),
        address="" if is_own else message.sender_address,
        readers=people.joined(people.names([*message.to, *message.cc, *message.bcc], own=own)),
        when=days.full(timezone.localtime(message.sent_at), local_now),
        parties=_parties(message, parsed),
        passages=_passages(readable),
        has_html=bool(parsed.html),
        shows_html=shows_html,
        shows_remote=allow_remote,
        remote_pictures=_remote_pictures(parsed) if shows_html else 0,
        is_cut=parsed.is_cut or _is_too_long(readable),
        files=_files(message, parsed, shows_html=shows_html),
        thread=_thread(message, local_now),
        answer_to=people.joined(_answered(message, parsed, own)),
        answers_several=_is_for_several(message, own),
        is_own=is_own,
        is_in_trash=message.mailbox.role == Role.TRASH,
        is_notice=message.notice != Notice.NONE,
    )


def receipt_of(message: Message) -> Receipt | None:
    """Return the receipt of a sent message; None for any other."""
    return delivery.receipt(message.outbound) if message.outbound is not None else None


def mailboxes_to_move_to(message: Message) -> list[Mailbox]:
    """Return the mailboxes a message can be moved to by hand."""
    kept_out = (Role.DRAFTS, Role.SENT)
    boxes = Mailbox.objects.filter(user=message.user).exclude(role__in=kept_out)
    return [box for box in boxes if box.pk != message.mailbox_id]


def neighbours(message: Message) -> tuple[str, str]:
    """Return the addresses of the newer and the older message of the mailbox, "" for none."""
    beside = Message.objects.filter(mailbox=message.mailbox_id)
    at, pk = message.received_at, message.pk
    newer = beside.filter(received_at__gte=at).exclude(received_at=at, id__lte=pk)
    older = beside.filter(received_at__lte=at).exclude(received_at=at, id__gte=pk)
    found = (
        newer.order_by("received_at", "id").values_list("uuid", flat=True).first(),
        older.order_by("-received_at", "-id").values_list("uuid", flat=True).first(),
    )
    first, second = (reverse("webmail:message", args=[key]) if key else "" for key in found)
    return first, second


def part_urls(message: Message) -> dict[str, str]:
    """Return where each part that the HTML can show is served, by its Content-ID."""
    return {
        attachment.content_id: reverse("webmail:part", args=[message.uuid, attachment.part])
        for attachment in message.attachments.exclude(content_id="")
    }


def _parties(message: Message, parsed: ParsedMessage) -> tuple[Party, ...]:
    """Return who is named in the head, in full."""
    sender = [(message.sender_name, message.sender_address)]
    named: list[tuple[str, Sequence[Sequence[str]]]] = [
        ("From", sender),
        ("Reply to", [one.as_pair() for one in parsed.reply_to]),
        ("To", message.to),
        ("Cc", message.cc),
        ("Bcc", message.bcc),
    ]
    return tuple(
        Party(label=label, people=tuple((pair[0], pair[1]) for pair in pairs))
        for label, pairs in named
        if pairs
    )


def _passages(readable: str) -> tuple[Passage, ...]:
    """Group the blocks of a text: quotes of many lines become one folded passage."""
    passages: list[Passage] = []
    for block in text.blocks(readable[:MOST_CHARACTERS])[:MOST_BLOCKS]:
        last = passages[-1] if passages else None
        if last is not None and bool(last.blocks[0].depth) == bool(block.depth):
            passages[-1] = Passage(blocks=(*last.blocks, block))
        else:
            passages.append(Passage(blocks=(block,)))
    return tuple(
        Passage(blocks=passage.blocks, is_folded=_is_long_quote(passage)) for passage in passages
    )


def _is_too_long(readable: str) -> bool:
    return len(readable) > MOST_CHARACTERS or readable.count("\n") > MOST_BLOCKS


def _is_long_quote(passage: Passage) -> bool:
    lines = sum(
        1 + piece.text.count("\n") for block in passage.blocks for piece in block.pieces[:1]
    )
    return bool(passage.blocks[0].depth) and lines >= FOLD_QUOTES_FROM


def _remote_pictures(parsed: ParsedMessage) -> int:
    return sanitize.examine(parsed.html, allow_remote=False, cid_urls={}).remote_pictures


def _files(message: Message, parsed: ParsedMessage, *, shows_html: bool) -> tuple[Attachment, ...]:
    """Return the attachments to list: all of them, where the HTML that shows some is not shown."""
    found = message.attachments.all()
    return tuple(file for file in found if not (shows_html and file.is_inline))


def _thread(message: Message, local_now: datetime) -> tuple[ThreadPart, ...]:
    """Return the other messages of the conversation, oldest first."""
    others = Message.objects.filter(thread_id=message.thread_id).exclude(pk=message.pk)
    latest = others.order_by("-received_at", "-id")[:MOST_IN_THREAD]
    return tuple(
        ThreadPart(
            url=reverse("webmail:message", args=[other.uuid]),
            who=sender_of(other),
            initials=people.initials(sender_of(other)),
            snippet=other.snippet,
            when=days.full(timezone.localtime(other.received_at), local_now),
            is_unread=not other.is_seen,
        )
        for other in reversed(latest)
    )


def _answered(message: Message, parsed: ParsedMessage, own: Collection[str]) -> list[str]:
    """Return whom Reply writes to."""
    if message.sender_address.lower() in own:
        return people.names(message.to)
    target = [one.as_pair() for one in parsed.reply_to]
    return people.names(target or [(message.sender_name, message.sender_address)])


def _is_for_several(message: Message, own: Collection[str]) -> bool:
    """Tell whether Reply to all would reach anybody whom Reply does not."""
    if message.sender_address.lower() in own:
        return bool(message.cc)
    others = {pair[1].lower() for pair in (*message.to, *message.cc) if pair[1]}
    return bool(others - {*own, message.sender_address.lower()})
