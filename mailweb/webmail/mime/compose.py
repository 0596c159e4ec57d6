"""From what was written to the bytes that leave: RFC 5322 headers, MIME parts, CRLF throughout.

The header fields that people's words go into are written here, not by the library: each value
is refused if it holds a control character, folded only where RFC 5322 allows it, and encoded
(RFC 2047) when it is not ASCII. There is no way to write a Bcc field. All bytes are 7-bit, unless
an address itself needs SMTPUTF8, so that no server on the way has to convert anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from mailweb.webmail.mime.flowed import flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from mailweb.lib.addresses import Address

LINE_CHARACTERS: Final = 76
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_CONTENT_TYPE: Final = re.compile(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}"
)
_NOBODY_NAMED: Final = "undisclosed-recipients:;"
_ANY_TYPE: Final = "application/octet-stream"
_STRICT: Final = SMTP.clone(raise_on_defect=True, cte_type="7bit")


class UnwritableHeaderError(ValueError):
    """A header field can't hold a line break or another control character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One attachment. A type that is no MIME type, or needs its own rules, is sent as plain bytes."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Everything a message says about itself. Who gets a blind copy is not part of it."""

    sender: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    subject: str = ""
    body: str = ""
    date: datetime
    message_id: str
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


def build(letter: Letter) -> bytes:
    """Return the complete message.

    Raises:
        UnwritableHeaderError: a value holds what a header field can't.
    """
    fields = [
        _field("Date", [format_datetime(letter.date)]),
        _field("From", _addresses([letter.sender])),
        _field("To", _addresses(letter.to) if letter.to or letter.cc else [_NOBODY_NAMED]),
        _field("Cc", _addresses(letter.cc)),
        _field("Message-ID", [letter.message_id]),
        _field("In-Reply-To", [letter.in_reply_to] if letter.in_reply_to else []),
        _field("References", letter.references),
        _field("Subject", _words(letter.subject)),
    ]
    return "".join(fields).encode() + _content(letter).as_bytes(policy=_STRICT)


def size_on_the_wire(size_bytes: int) -> int:
    """Return how many bytes a file takes once it is in base64, in lines of 76 characters."""
    return -(-size_bytes // 57) * 78


def clean_file_name(name: str) -> str:
    """Return the last part of a path, without anything a header or a file system chokes on."""
    last = re.split(r"[\\/]", name)[-1]
    return _CONTROLS.sub(" ", last).strip(" .")[:200] or "attachment"


def has_control_characters(text: str) -> bool:
    """Whether `text` can't stand in a header field."""
    return _CONTROLS.search(text) is not None


def _field(name: str, words: Iterable[str]) -> str:
    """Return a folded field, or nothing when it has no words. Folds stand between words only."""
    lines: list[str] = []
    line = f"{name}:"
    for word in words:
        if has_control_characters(word):
            raise UnwritableHeaderError(name)
        if len(line) + 1 + len(word) > LINE_CHARACTERS and line.strip() != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    if line == f"{name}:":
        return ""
    return "\r\n".join([*lines, line]) + "\r\n"


def _addresses(addresses: Sequence[Address]) -> list[str]:
    """Return the words of an address list; the comma belongs to the word before it."""
    words: list[str] = []
    for address in addresses:
        words += [*_phrase(address.name), f"<{address.spec}>" if address.name else address.spec]
        words[-1] += ","
    if words:
        words[-1] = words[-1].removesuffix(",")
    return words


def _phrase(name: str) -> list[str]:
    """Return a display name: bare words, a quoted string, or encoded words."""
    if not name:
        return []
    if name.isascii() and "=?" not in name:
        if _ATOMS.fullmatch(name):
            return name.split(" ")
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return [f'"{quoted}"']
    return _encoded(name)


def _words(text: str) -> list[str]:
    """Return unstructured text as words: as it is, or encoded where ASCII words can't carry it."""
    if not text:
        return []
    words = text.split(" ")
    fits = all(0 < len(word) <= LINE_CHARACTERS - 12 for word in words)
    if fits and text.isascii() and "=?" not in text:
        return words
    return _encoded(text)


def _encoded(text: str) -> list[str]:
    if has_control_characters(text):
        raise UnwritableHeaderError(text)
    return (
        Header(text, "utf-8", maxlinelen=LINE_CHARACTERS - 4, header_name="X")
        .encode(linesep="\n")
        .split()
    )


def _content(letter: Letter) -> EmailMessage:
    content = EmailMessage(policy=_STRICT)
    text = flow(letter.body)
    content.set_content(
        text,
        charset="us-ascii" if text.isascii() else "utf-8",
        cte="7bit" if text.isascii() and _lines_fit(text) else "quoted-printable",
        params={"format": "flowed"},
    )
    for file in letter.files:
        maintype, _, subtype = _safe_type(file.content_type).partition("/")
        content.add_attachment(file.data, maintype, subtype, filename=clean_file_name(file.name))
    return content


def _lines_fit(text: str) -> bool:
    # RFC 5322 §2.1.1: at most 998 characters in a line.
    return all(len(line) <= 998 for line in text.split("\n"))


def _safe_type(content_type: str) -> str:
    """Return a type that may be sent in base64 (RFC 2046 §5: message and multipart may not)."""
    kind = content_type.split(";", 1)[0].strip().lower()
    if not _CONTENT_TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        return _ANY_TYPE
    return kind
