"""Read a message: bytes in, one value out. Never raises, whatever the bytes are.

Depth, parts, header sizes and body length are limited; what is beyond a limit is left out and
`is_cut` says so. The bytes themselves are kept elsewhere, so nothing is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mailweb.webmail.mime import addresslist, charsets, headers, text, tree
from mailweb.webmail.mime.addresslist import MailAddress
from mailweb.webmail.mime.headers import Headers

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_REFERENCES = 100
MAX_SUBJECT = 998

NOBODY = MailAddress()

_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x1f\x7f]{1,990}>")
_BODY_TYPES = frozenset({"text/plain", "text/html"})
_YEARS = range(1970, 2200)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartInfo:
    """A part that can be saved on its own, or that the HTML shows (`is_inline`)."""

    path: str
    name: str
    content_type: str
    size_bytes: int
    content_id: str = ""
    is_inline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    """What a message says. Texts are decoded and clean; missing ones are empty."""

    headers: Headers
    subject: str = ""
    sender: MailAddress = NOBODY
    reply_to: tuple[MailAddress, ...] = ()
    to: tuple[MailAddress, ...] = ()
    cc: tuple[MailAddress, ...] = ()
    sent_at: datetime | None = None
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    list_id: str = ""
    list_post: str = ""
    is_list: bool = False
    text: str = ""
    html: str = ""
    attachments: tuple[PartInfo, ...] = ()
    snippet: str = ""
    is_cut: bool = False

    @property
    def readable_text(self) -> str:
        """The text for people: the sender's own, or what can be read of the HTML."""
        return self.text or text.from_html(self.html)

    @property
    def files(self) -> tuple[PartInfo, ...]:
        """The attachments that are listed; pictures shown inside the HTML are not."""
        return tuple(part for part in self.attachments if not part.is_inline)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartContent:
    """One part's decoded bytes."""

    info: PartInfo
    data: bytes


@dataclass(slots=True)
class _Bodies:
    """The parts that make up the body, as text and as HTML, and those that are attachments."""

    plain: list[tree.Part] = field(default_factory=list)
    rich: list[tree.Part] = field(default_factory=list)
    rest: list[tree.Part] = field(default_factory=list)


def parse(data: bytes) -> ParsedMessage:
    """Return what the message says."""
    root = tree.read(data)
    bodies = _bodies(root)
    fields = root.headers
    plain, markup = _plain(data, bodies.plain), _markup(data, bodies.rich)
    shown = markup.lower()
    found = tuple(_info(part, data, shown) for part in bodies.rest)
    references = tuple(_MESSAGE_ID.findall(fields.first("references")))[-MAX_REFERENCES:]
    replies = _MESSAGE_ID.findall(fields.first("in-reply-to"))
    return ParsedMessage(
        headers=fields,
        subject=fields.text("subject")[:MAX_SUBJECT],
        sender=next(iter(addresslist.parse(fields.first("from"))), NOBODY),
        reply_to=addresslist.parse(fields.first("reply-to")),
        to=addresslist.parse(", ".join(fields.all("to"))),
        cc=addresslist.parse(", ".join(fields.all("cc"))),
        sent_at=_date(fields.first("date")),
        message_id=next(iter(_MESSAGE_ID.findall(fields.first("message-id"))), ""),
        in_reply_to=replies[0] if replies else "",
        references=references,
        list_id=fields.text("list-id")[:255],
        list_post=_list_post(fields.first("list-post")),
        is_list=bool(fields.first("list-id") or fields.first("list-post")),
        text=plain,
        html=markup,
        attachments=found,
        snippet=headers.one_line(text.snippet(plain or text.from_html(markup[:40_000]))),
        is_cut=any(part.end - part.start > MAX_BODY_BYTES for part in bodies.plain + bodies.rich),
    )


def part(data: bytes, path: str) -> PartContent | None:
    """Return the part with content at `path`, or None."""
    found = tree.find(tree.read(data), path)
    if found is None:
        return None
    return PartContent(info=_info(found, data, ""), data=found.content(data))


def _bodies(part: tree.Part) -> _Bodies:
    """Decide what is body and what is attachment (RFC 2046 §5.1, as mail programs use it)."""
    if not part.children:
        return _leaf(part)
    inside = [_bodies(child) for child in part.children]
    rest = [leaf for bodies in inside for leaf in bodies.rest]
    if part.content_type == "multipart/alternative":
        plain = next((bodies.plain for bodies in inside if _is_plain(bodies)), [])
        rich = next((bodies.rich for bodies in reversed(inside) if not _is_plain(bodies)), [])
        return _Bodies(plain=plain or rich, rich=rich or plain, rest=rest)
    return _Bodies(
        plain=[leaf for bodies in inside for leaf in bodies.plain],
        rich=[leaf for bodies in inside for leaf in bodies.rich],
        rest=rest,
    )


def _is_plain(bodies: _Bodies) -> bool:
    """Tell whether these have a text of their own rather than one made from HTML."""
    return any(leaf.content_type == "text/plain" for leaf in bodies.rich) or not bodies.rich


def _leaf(part: tree.Part) -> _Bodies:
    is_body = (
        part.content_type in _BODY_TYPES and part.disposition != "attachment" and not part.filename
    )
    if part.content_type.startswith("multipart/"):
        # Broken or too deep: what is in it cannot be told apart.
        return _Bodies(rest=[part] if part.end > part.start else [])
    return _Bodies(plain=[part], rich=[part]) if is_body else _Bodies(rest=[part])


def _decoded(data: bytes, part: tree.Part) -> str:
    raw = part.content(data)[:MAX_BODY_BYTES]
    decoded = charsets.decode(raw, part.parameters.get("charset", ""))
    return decoded.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")


def _plain(data: bytes, parts: list[tree.Part]) -> str:
    """Return the text view, or "" if there is only HTML."""
    if not any(part.content_type == "text/plain" for part in parts):
        return ""
    return "\n\n".join(_plain_part(data, part).strip("\n") for part in parts)


def _plain_part(data: bytes, part: tree.Part) -> str:
    decoded = _decoded(data, part)
    if part.content_type == "text/html":
        return text.from_html(decoded)
    if part.parameters.get("format", "").lower() == "flowed":
        is_deleted = part.parameters.get("delsp", "").lower() == "yes"
        return text.unflowed(decoded, del_space=is_deleted)
    return decoded


def _markup(data: bytes, parts: list[tree.Part]) -> str:
    """Return the HTML view, not yet cleaned, or "" if there is only text."""
    if not any(part.content_type == "text/html" for part in parts):
        return ""
    return "\n<hr>\n".join(_markup_part(data, part) for part in parts)


def _markup_part(data: bytes, part: tree.Part) -> str:
    decoded = _decoded(data, part)
    if part.content_type == "text/html":
        return decoded
    escaped = decoded.replace("&", "&amp;").replace("<", "&lt;")
    return f"<pre>{escaped}</pre>"


def _info(part: tree.Part, data: bytes, shown: str) -> PartInfo:
    """Describe a part. `shown` is the HTML in lower case, which may refer to it."""
    cid = part.content_id
    return PartInfo(
        path=part.path,
        name=_name(part),
        content_type=part.content_type,
        size_bytes=len(part.content(data)),
        content_id=cid,
        is_inline=bool(cid) and f"cid:{cid}".lower() in shown,
    )


def _name(part: tree.Part) -> str:
    """Return a file name without folders; one that says what it is, where none was given."""
    name = headers.one_line(part.filename.replace("\\", "/").rpartition("/")[2]).lstrip(".")
    if name:
        return name[:255]
    if part.content_type in ("message/rfc822", "message/global"):
        return "message.eml"
    return f"part-{part.path}.{_EXTENSIONS.get(part.content_type, 'bin')}"


_EXTENSIONS = {
    "text/plain": "txt",
    "text/html": "html",
    "text/calendar": "ics",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "application/pdf": "pdf",
    "message/delivery-status": "txt",
    "message/global-delivery-status": "txt",
    "message/global-headers": "txt",
    "text/rfc822-headers": "txt",
    "application/pgp-signature": "asc",
    "application/pkcs7-signature": "p7s",
}


def _date(value: str) -> datetime | None:
    """Return the time in UTC, or None if the field cannot be believed."""
    try:
        found = parsedate_to_datetime(value[:200])
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.year in _YEARS else None


def _list_post(value: str) -> str:
    """Return the address that posts to the list, or ""."""
    found = re.search(r"<mailto:([^<>?\s]{1,320})", value, re.IGNORECASE)
    return next((a.address for a in addresslist.parse(found[1] if found else "")), "")
