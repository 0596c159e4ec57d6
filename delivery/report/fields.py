"""The part of a report for programs (RFC 3464 §2), in ASCII or in UTF-8 (RFC 6533 §4)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

from delivery.report.escaping import comment, field, in_ascii, one_line
from delivery.report.facts import Action, RecipientReport, Report
from delivery.smtp.grammar import to_utf8_xtext

LONGEST_REPLY = 64 * 1024
REPLIES_OF_ALL = 1024 * 1024
"""How many characters of replies one report quotes: many recipients have to share them."""

CUT = "[...]"


def status_fields(report: Report) -> str:
    """Return the fields about the message, and those about each recipient."""
    limit = min(LONGEST_REPLY, REPLIES_OF_ALL // len(report.recipients))
    groups = [_about_message(report)]
    groups += [_about_recipient(report, one, limit) for one in report.recipients]
    return "\r\n".join(groups)


def _about_message(report: Report) -> str:
    return "".join(
        (
            field("Original-Envelope-Id", _text(report, report.envid)),
            field("Reporting-MTA", f"dns; {_text(report, report.hostname)}"),
            field("Arrival-Date", format_datetime(report.queued_at)),
            field("Future-Release-Request", _release(report.release_at)),
        )
    )


def _release(at: datetime | None) -> str:
    """RFC 4865: what was asked for, in the words of HOLDUNTIL."""
    return f"until; {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else ""


def _about_recipient(report: Report, one: RecipientReport, limit: int) -> str:
    last = one.last_attempt_at
    until = report.expires_at if one.action is Action.DELAYED else None
    server = f"dns; {_text(report, one.server)}" if one.server else ""
    if server and one.server_address:
        server += f" {comment(in_ascii(one.server_address))}"
    return "".join(
        (
            field("Original-Recipient", _original_recipient(report, one.orcpt)),
            field("Final-Recipient", _final_recipient(report, one)),
            field("Action", one.action),
            field("Status", _status(report, one)),
            field("Remote-MTA", server),
            field("Diagnostic-Code", *_diagnostic(report, one, limit)),
            field("Last-Attempt-Date", format_datetime(last) if last else ""),
            field("Will-Retry-Until", format_datetime(until) if until else ""),
        )
    )


def _original_recipient(report: Report, orcpt: str) -> str:
    """RFC 3461 §6.3: only if it was given, and as it was given."""
    kind, _, address = orcpt.partition(";")
    return f"{kind}; {_address(report, kind, address)}" if address else ""


def _final_recipient(report: Report, one: RecipientReport) -> str:
    """Return the address that was in RCPT; RFC 6533 §3 has the type for what ASCII can't hold."""
    local_part, at, _ = one.address.rpartition("@")
    on_the_wire = f"{local_part}@{one.domain}" if at and local_part.isascii() else one.address
    address = one.address if report.is_international else on_the_wire
    kind = "rfc822" if address.isascii() else "utf-8"
    return f"{kind}; {_address(report, kind, address)}"


def _address(report: Report, kind: str, address: str) -> str:
    line = one_line(address)
    if report.is_international or kind.lower() != "utf-8":
        return _text(report, line)
    return to_utf8_xtext(line)


def _status(report: Report, one: RecipientReport) -> str:
    said = "delivery time expired" if one.is_expired else _text(report, one.explanation)
    return f"{one.status} {comment(said)}" if said else one.status


def _diagnostic(report: Report, one: RecipientReport, limit: int) -> tuple[str, ...]:
    """Return the server's whole reply, each of its lines on one of the field (RFC 3464 §2.3.6)."""
    lines = [_text(report, line) for line in one.reply_lines]
    if not lines:
        return ()
    kept, length = [], 0
    for line in lines:
        kept.append(line[: limit - length])
        length += len(line)
        if length > limit:
            kept.append(CUT)
            break
    return (f"smtp; {kept[0]}", *kept[1:])


def _text(report: Report, text: str) -> str:
    return one_line(text) if report.is_international else in_ascii(text)
