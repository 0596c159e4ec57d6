"""Drafts that begin with a message: answers, forwards, and a failed one to somebody else.

Nothing here is stored: opening a reply and leaving it again leaves no trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts import selectors as accounts
from mailweb.lib import addresses
from mailweb.webmail import composing
from mailweb.webmail.mime import parse, quote
from mailweb.webmail.models import Draft, DraftAttachment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mailweb.webmail.mime.addresslist import MailAddress
    from mailweb.webmail.mime.parse import ParsedMessage
    from mailweb.webmail.models import Message

MAX_REFERENCES = 50


def reply_draft(message: Message, *, everyone: bool = False) -> Draft:
    """Return an answer to the sender, or to everybody the message names; not stored yet.

    One's own addresses are left out. An answer to one's own message goes where that went.
    """
    parsed = parse.parse(bytes(message.blob.data))
    own = _own(message)
    draft = composing.new_draft(message.user)
    draft.to = _typed(_answered(parsed, own), without=own)
    if everyone:
        draft.to = _merged(draft.to, _typed(parsed.to, without=own))
        draft.cc = _merged(draft.to, _typed(parsed.cc, without=own))[len(draft.to) :]
    draft.to = draft.to or _typed(_answered(parsed, own), without=frozenset())
    draft.sender = _written_to(parsed, message) or draft.sender
    draft.subject = quote.subject_of_reply(parsed.subject)
    signature = accounts.preferences_of(message.user).signature
    draft.body = quote.reply_text(parsed, sent_at=message.sent_at, signature=signature)
    return answers(draft, message, parsed)


def forward_draft(message: Message) -> Draft:
    """Return a forward without recipients; not stored yet. Its files are chosen in the form."""
    parsed = parse.parse(bytes(message.blob.data))
    draft = composing.new_draft(message.user)
    draft.subject = quote.subject_of_forward(parsed.subject)
    signature = accounts.preferences_of(message.user).signature
    draft.body = quote.forward_text(parsed, sent_at=message.sent_at, signature=signature)
    return forwards(draft, message, parsed)


def answers(draft: Draft, message: Message, parsed: ParsedMessage | None = None) -> Draft:
    """Tie a draft to the message it answers."""
    draft.reply_to = message
    return _tie(draft, message, parsed)


def forwards(draft: Draft, message: Message, parsed: ParsedMessage | None = None) -> Draft:
    """Tie a draft to the message it passes on."""
    draft.forward_of = message
    return _tie(draft, message, parsed)


def copy_to_somebody_else(message: Message, *, now: datetime) -> Draft:
    """Store a new draft with everything a sent message has, but for its recipients."""
    data = bytes(message.blob.data)
    parsed = parse.parse(data)
    draft = composing.new_draft(message.user)
    draft.sender = parsed.sender.address or draft.sender
    draft.subject, draft.body = parsed.subject, parsed.readable_text
    draft.references = list(parsed.references)
    draft.version, draft.created_at, draft.updated_at = 1, now, now
    draft.save()
    _copy_files(draft, data, (part.path for part in parsed.attachments))
    return draft


def _copy_files(draft: Draft, data: bytes, paths: Iterable[str]) -> None:
    parts = [part for path in paths if (part := parse.part(data, path)) is not None]
    DraftAttachment.objects.bulk_create(
        DraftAttachment(
            draft=draft,
            name=part.info.name,
            content_type=part.info.content_type,
            size_bytes=len(part.data),
            data=part.data,
        )
        for part in parts
    )


def _tie(draft: Draft, message: Message, parsed: ParsedMessage | None) -> Draft:
    # RFC 5322 §3.6.4: the references of what is answered, then its own Message-ID.
    parsed = parsed or parse.parse(bytes(message.blob.data))
    earlier = parsed.references or ((parsed.in_reply_to,) if parsed.in_reply_to else ())
    own = (parsed.message_id,) if parsed.message_id else ()
    draft.references = [*earlier, *own][-MAX_REFERENCES:]
    draft.is_list_reply = parsed.is_list
    return draft


def _own(message: Message) -> frozenset[str]:
    return frozenset(str(address).casefold() for address in accounts.addresses_of(message.user))


def _answered(parsed: ParsedMessage, own: frozenset[str]) -> tuple[MailAddress, ...]:
    if parsed.sender.address.casefold() in own:
        return parsed.to
    return parsed.reply_to or (parsed.sender,)


def _typed(people: Iterable[MailAddress], *, without: frozenset[str]) -> list[str]:
    """Return people as they would be typed; who has no usable address is left out."""
    entries = []
    for person in people:
        if not person.address or person.address.casefold() in without:
            continue
        entries.append(_entry(person))
    return list(dict.fromkeys(entries))


def _entry(person: MailAddress) -> str:
    name = " ".join(person.name.split()).replace('"', "")
    typed = f'"{name}" <{person.address}>' if name else person.address
    try:
        return addresses.parse(typed).text
    except addresses.InvalidAddressError:
        return person.address


def _merged(first: list[str], more: list[str]) -> list[str]:
    """Return both lists; who stands in the first is not repeated under another name."""
    known = {_key(entry) for entry in first}
    return [*first, *(entry for entry in more if _key(entry) not in known)]


def _key(entry: str) -> str:
    try:
        return addresses.parse(entry).key
    except addresses.InvalidAddressError:
        return entry


def _written_to(parsed: ParsedMessage, message: Message) -> str:
    """Return the own address that the message was sent to, if it names exactly one."""
    named = {person.address.casefold() for person in (*parsed.to, *parsed.cc)}
    own = [str(address) for address in accounts.addresses_of(message.user)]
    met = [address for address in own if address.casefold() in named]
    return met[0] if len(met) == 1 else ""
