"""Write a notice about a delivery (RFC 3464): words for people first, then fields for programs.

Only the header of the original is enclosed, never its body: a notice may be read where the
message itself was not to be (RFC 8689 §5 asks that of REQUIRETLS).
"""

from __future__ import annotations

from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime
from typing import TYPE_CHECKING

from mailweb.webmail.mime.headers import one_line

if TYPE_CHECKING:
    from datetime import datetime

MOST_NAMED = 50
MAX_ENCLOSED = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What became of one recipient's copy, and why."""

    address: str
    explanation: str
    reply: str = ""
    enhanced: str = ""
    server: str = ""
    attempts: int = 0
    last_attempt_at: datetime | None = None
    retries_until: datetime | None = None

    @property
    def is_delayed(self) -> bool:
        """Whether it is still tried."""
        return self.retries_until is not None

    @property
    def status(self) -> str:
        """The enhanced code, in the class that fits what became of it."""
        digit = "4" if self.is_delayed else "5"
        is_fitting = self.enhanced[:2] == f"{digit}."
        return self.enhanced if is_fitting else f"{digit}.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Everything a notice says."""

    hostname: str
    notice_id: str
    to: str
    subject: str
    original_id: str
    original_header: bytes
    queued_at: datetime
    now: datetime
    failures: tuple[Failure, ...]
    recipients: int
    outbox_url: str
    requires_tls: bool = False
    """Whether the original asked for protection on its whole way (RFC 8689 §2)."""

    @property
    def is_delayed(self) -> bool:
        """Whether all of it is only late."""
        return all(failure.is_delayed for failure in self.failures)

    @property
    def title(self) -> str:
        """The subject of the notice."""
        word = "Delayed" if self.is_delayed else "Not delivered"
        if len(self.failures) == 1:
            return f"{word}: {one_line(self.failures[0].address)}"
        return f"{word}: {len(self.failures)} of {self.recipients} recipients"


def build(notice: Notice) -> bytes:
    """Return the notice as a message."""
    parts = [
        ("text/plain; charset=utf-8", _words(notice)),
        ("message/delivery-status", _fields(notice)),
        ("text/rfc822-headers; charset=utf-8", _enclosed(notice)),
    ]
    boundary = _boundary(notice, "".join(text for _, text in parts))
    body = "".join(
        f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f"{_crlf(text)}\r\n"
        for kind, text in parts
    )
    kind = f'multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"'
    return f"{_head(notice)}Content-Type: {kind}\r\n\r\n{body}--{boundary}--\r\n".encode()


def _boundary(notice: Notice, content: str) -> str:
    """Return a boundary that no line of the content can be taken for."""
    boundary = f"=_{notice.notice_id.partition('@')[0]}"
    while boundary in content:
        boundary += "_"
    return boundary


def _head(notice: Notice) -> str:
    fields = {
        "From": f"Mailweb <postmaster@{notice.hostname}>",
        "To": f"<{one_line(notice.to)}>",
        "Subject": _encoded(notice.title),
        "Date": format_datetime(notice.now),
        "Message-ID": f"<{notice.notice_id}>",
        "In-Reply-To": one_line(notice.original_id),
        "Auto-Submitted": "auto-replied",
        "MIME-Version": "1.0",
    }
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8").encode(linesep="\r\n")


def _words(notice: Notice) -> str:
    shown = notice.failures[:MOST_NAMED]
    lines = [_opening(notice), ""]
    for failure in shown:
        lines += [failure.address, f"  {failure.explanation}" if failure.explanation else ""]
        if failure.reply:
            who = failure.server or "The server"
            lines += [f"  {who} answered:", *(f"    {one}" for one in _reply_lines(failure))]
        if failure.retries_until:
            lines.append(f"  It is tried again until {_time(failure.retries_until)}.")
        lines.append("")
    if len(notice.failures) > len(shown):
        lines += [f"And {len(notice.failures) - len(shown)} more.", ""]
    if notice.requires_tls:
        lines += [
            "Your message required TLS on its whole way (REQUIRETLS), so this notice encloses its",
            "header and nothing of its text.",
            "",
        ]
    lines += [
        "The outbox shows what can be done for each of them: try again, send with other rules,",
        f"or to another address. {notice.outbox_url}",
    ]
    return "\n".join(lines)


def _opening(notice: Notice) -> str:
    """Say in one or two sentences what happened; this is what the list shows."""
    subject = one_line(notice.subject) or "A message without a subject"
    if len(notice.failures) > 1:
        verb = "is late for" if notice.is_delayed else "did not reach"
        return f"“{subject}” {verb} {len(notice.failures)} of {notice.recipients} recipients."
    failure = notice.failures[0]
    tried = "was not delivered" if not failure.is_delayed else "is still waiting"
    if failure.attempts > 1:
        tried = f"was tried {failure.attempts} times in {_duration(notice)}"
    return f"“{subject}” {tried}. {failure.explanation}".strip()


def _duration(notice: Notice) -> str:
    """Return how long it was tried, as people say it."""
    hours = (notice.now - notice.queued_at).total_seconds() / 3600
    if hours < 1:
        return "less than an hour"
    number, unit = (round(hours / 24), "day") if hours >= 36 else (round(hours), "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _reply_lines(failure: Failure) -> list[str]:
    return [one_line(line) for line in failure.reply.splitlines() if line.strip()]


def _time(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b %Y, %H:%M} UTC"


def _fields(notice: Notice) -> str:
    """Return the fields of RFC 3464 §2."""
    groups = [
        {
            "Reporting-MTA": f"dns; {notice.hostname}",
            "Arrival-Date": format_datetime(notice.queued_at),
        }
    ]
    groups += [_recipient_fields(failure) for failure in notice.failures]
    return "\n".join(
        "".join(f"{name}: {value}\n" for name, value in group.items() if value) for group in groups
    )


def _recipient_fields(failure: Failure) -> dict[str, str]:
    kind = "rfc822" if failure.address.isascii() else "utf-8"  # RFC 6533 §3
    last, until = failure.last_attempt_at, failure.retries_until
    reply = " / ".join(_reply_lines(failure))
    return {
        "Final-Recipient": f"{kind}; {one_line(failure.address)}",
        "Action": "delayed" if failure.is_delayed else "failed",
        "Status": failure.status,
        "Remote-MTA": f"dns; {one_line(failure.server)}" if failure.server else "",
        "Diagnostic-Code": f"smtp; {reply[:900]}" if reply else "",
        "Last-Attempt-Date": format_datetime(last) if last else "",
        "Will-Retry-Until": format_datetime(until) if until else "",
    }


def _enclosed(notice: Notice) -> str:
    return notice.original_header[:MAX_ENCLOSED].decode("utf-8", "replace")


def _crlf(text: str) -> str:
    return "\r\n".join(line.rstrip("\r") for line in text.split("\n"))
