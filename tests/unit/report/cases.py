"""Reports to be looked at, and the standard library's reading of them."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any

from delivery.report import Action, RecipientReport, Report, build

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HEADER = b"Subject: Deed copies, folder 14\r\nTo: post@harbour.test\r\n"
ORIGINAL = HEADER + b"\r\nThe secret.\r\n"
FAILED = RecipientReport(
    address="post@harbour.test",
    domain="harbour.test",
    action=Action.FAILED,
    explanation="mx.harbour.test refuses mail for this recipient.",
    reply="550-5.1.1 No such\n550 5.1.1 mailbox here",
    enhanced="5.1.1",
    server="mx.harbour.test",
    server_address="192.0.2.7",
    attempts=1,
    last_attempt_at=NOW - timedelta(minutes=1),
)
DELAYED = replace(
    FAILED,
    action=Action.DELAYED,
    explanation="mx.harbour.test put off mail for this recipient.",
    reply="450-4.2.1 Not now.\n450 4.2.1 Try later.",
    enhanced="4.2.1",
    attempts=7,
    next_attempt_at=NOW + timedelta(hours=3),
)
RELAYED = replace(
    FAILED,
    action=Action.RELAYED,
    explanation="mx.harbour.test took the message.",
    reply="250 2.0.0 Taken.",
    enhanced="2.0.0",
)
REPORT = Report(
    hostname="mail.mailweb.test",
    report_id="failed.1@mail.mailweb.test",
    to="alice@mailweb.test",
    subject="Deed copies, folder 14",
    original_id="<deed@mailweb.test>",
    original=ORIGINAL,
    size_bytes=len(ORIGINAL),
    queued_at=NOW - timedelta(hours=4),
    expires_at=NOW + timedelta(days=5) - timedelta(hours=4),
    now=NOW,
    recipients=(FAILED,),
    total=3,
    outbox_url="https://mail.mailweb.test/mail/outbox/",
)


def about(*recipients: RecipientReport, **changes: Any) -> Report:
    """Return a report on these recipients."""
    return replace(REPORT, recipients=recipients, **changes)


def read(report: Report) -> Message:
    """Return the report as the standard library reads it, without a complaint."""
    message = email.message_from_bytes(build(report))
    for part in message.walk():
        assert part.defects == []
    return message


def parts(message: Message) -> list[Message]:
    """Return the parts of a part."""
    found = message.get_payload()
    return [one for one in found if isinstance(one, Message)]


def fields(report: Report) -> list[Message]:
    """Return the groups of fields of the second part: the message's, then each recipient's."""
    return parts(parts(read(report))[1])


def readable(report: Report) -> str:
    """Return the first part as people see it."""
    found = parts(read(report))[0].get_payload(decode=True)
    assert isinstance(found, bytes)
    return found.decode().replace("\r\n", "\n")


def unfolded(value: str) -> str:
    """Return a field's value on one line (RFC 5322 §2.2.3)."""
    return value.replace("\r\n", "").replace("\n", "")
