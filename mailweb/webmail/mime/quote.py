"""The words of answers and forwards: subjects, quotes, who wrote what when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mailweb.webmail.mime.addresslist import MailAddress
    from mailweb.webmail.mime.parse import ParsedMessage

MAX_QUOTED_CHARACTERS = 200_000
_REPLIED = re.compile(r"\s*re\s*(?:\[\d+\])?:", re.IGNORECASE)
_FORWARDED = re.compile(r"\s*(?:fwd?)\s*:", re.IGNORECASE)


def subject_of_reply(subject: str) -> str:
    """Return the subject of an answer; "Re:" stands once."""
    return subject if _REPLIED.match(subject) else f"Re: {subject}".rstrip()


def subject_of_forward(subject: str) -> str:
    """Return the subject of a forward; "Fwd:" stands once."""
    return subject if _FORWARDED.match(subject) else f"Fwd: {subject}".rstrip()


def reply_text(original: ParsedMessage, *, sent_at: datetime, signature: str) -> str:
    """Return the body of an answer: room to write, the signature, then the quote."""
    who = original.sender.name or original.sender.address or "somebody"
    head = f"On {_moment(sent_at)}, {who} wrote:"
    return f"{_signed(signature)}\n\n{head}\n{_quoted(original.readable_text)}\n"


def forward_text(original: ParsedMessage, *, sent_at: datetime, signature: str) -> str:
    """Return the body of a forward: who wrote to whom and when, then the text as it was."""
    fields = (
        ("From", _listed([original.sender])),
        ("Date", _moment(sent_at)),
        ("Subject", original.subject),
        ("To", _listed(original.to)),
        ("Cc", _listed(original.cc)),
    )
    head = "\n".join(f"{name}: {value}" for name, value in fields if value)
    text = original.readable_text.strip("\n")[:MAX_QUOTED_CHARACTERS]
    return f"{_signed(signature)}\n\n---------- Forwarded message ----------\n{head}\n\n{text}\n"


def _signed(signature: str) -> str:
    return f"\n\n-- \n{signature}" if signature else ""


def _quoted(text: str) -> str:
    """Return the text as a quote, without the signature of the one who wrote it."""
    lines = text.strip("\n")[:MAX_QUOTED_CHARACTERS].split("\n")
    if "-- " in lines:
        lines = lines[: lines.index("-- ")]
    while lines and not lines[-1].strip():
        lines.pop()
    return "\n".join(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in lines)


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%B %Y at %H:%M %Z}".strip()


def _listed(people: Iterable[MailAddress]) -> str:
    return ", ".join(
        f"{one.name} <{one.address}>" if one.name and one.address else one.address or one.name
        for one in people
    )
