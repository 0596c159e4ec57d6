"""A delivery status notification as a message: words, fields, and the original (RFC 6522 §3)."""

from __future__ import annotations

import quopri
import re
from email.header import Header
from email.utils import format_datetime

from delivery.report import words
from delivery.report.escaping import field, one_line
from delivery.report.facts import Action, Report
from delivery.report.fields import status_fields
from delivery.report.original import Part, original_part

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")


def build(report: Report) -> bytes:
    """Return the report as a message with CRLF line endings.

    Of what is held nothing was tried: that is a message with words alone.

    RFC 6533 §4: in UTF-8 only if the message it is about was; otherwise everything but a returned
    message is ASCII.
    """
    if report.action is Action.HELD:
        return _head(report, answers=False).encode() + _readable(report)
    kind = "global-delivery-status" if report.is_international else "delivery-status"
    parts = [
        _readable(report),
        _part(Part(f"message/{kind}", status_fields(report).encode())),
        _part(original_part(report)),
    ]
    boundary = _boundary(report, parts)
    opening = f"--{boundary}\r\n".encode()
    body = b"".join(opening + part + b"\r\n" for part in parts)
    return b"".join(
        (
            _head(report).encode(),
            field("Content-Transfer-Encoding", _encoding(b"".join(parts))).encode(),
            f'Content-Type: multipart/report; report-type={kind};\r\n boundary="{boundary}"\r\n'.encode(),
            b"\r\n",
            body,
            f"--{boundary}--\r\n".encode(),
        )
    )


def _readable(report: Report) -> bytes:
    """Encode the words so that no line is too long, whatever a server wrote."""
    text = quopri.encodestring(words.text(report).encode()).replace(b"\n", b"\r\n")
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable"
    return head + b"\r\n\r\n" + text


def _part(part: Part) -> bytes:
    encoding = _encoding(part.data)
    head = f"Content-Type: {part.content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + part.data


def _encoding(data: bytes) -> str:
    return "7bit" if data.isascii() else "8bit"


def _boundary(report: Report, parts: list[bytes]) -> str:
    """Return a boundary that no line of the parts can be taken for."""
    boundary = f"=_{report.report_id.partition('@')[0]}"
    while any(boundary.encode() in part for part in parts):
        boundary += "_"
    return boundary


def _head(report: Report, *, answers: bool = True) -> str:
    """Return the header but for the content; `answers` says whether it does (RFC 3834 §5)."""
    original = one_line(report.original_id)
    is_known = _MESSAGE_ID.fullmatch(original) is not None
    return "".join(
        (
            field("From", f"Mailweb <postmaster@{report.hostname}>"),
            field("To", f"<{one_line(report.to)}>"),
            _subject(words.title(report)),
            field("Date", format_datetime(report.now)),
            field("Message-ID", f"<{report.report_id}>"),
            field("In-Reply-To", original if is_known else ""),
            field("References", original if is_known else ""),
            field("Auto-Submitted", "auto-replied" if answers else "auto-generated"),
            field("MIME-Version", "1.0"),
        )
    )


def _subject(title: str) -> str:
    if title.isascii():
        return field("Subject", title)
    encoded = Header(title, "utf-8", header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {encoded}\r\n"
