"""From the rows of a message to what a report on it says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import BinaryField
from django.db.models.functions import Substr

from delivery.models import Content, OutboundMessage, Recipient, State
from delivery.policy.modes import Mode
from delivery.policy.reasons import Reason
from delivery.report import Action, RecipientReport, Report
from delivery.report.original import MOST_OF_HEADER, MOST_RETURNED
from delivery.smtp import Ret

LOCAL = "local"


def report_on(
    message: OutboundMessage,
    copies: Sequence[Recipient],
    *,
    kind: str,
    original: bytes,
    outbox_url: str,
    now: datetime,
) -> Report:
    """Return the report that tells `kind` about these copies, as `delivery_settled` names it.

    `original` is the message, or at least its header (`size_needed` says how much is wanted).
    """
    return Report(
        hostname=settings.MAIL_HOSTNAME,
        report_id=f"{kind}.{message.uuid}.{copies[0].pk}@{settings.MAIL_HOSTNAME}",
        to=message.mail_from,
        subject=message.subject,
        original_id=message.message_id,
        original=original,
        size_bytes=message.size_bytes,
        queued_at=message.queued_at,
        expires_at=message.expires_at,
        release_at=message.release_at,
        now=now,
        recipients=tuple(_recipient(copy, kind) for copy in copies),
        total=message.recipients.count(),
        outbox_url=outbox_url,
        envid=message.envid,
        returns_content=message.ret == Ret.FULL,
        requires_tls=any(copy.mode == Mode.REQUIRETLS for copy in copies),
        is_international=message.needs_smtputf8,
    )


def size_needed(message: OutboundMessage) -> int:
    """Return how many octets of the message a report may enclose."""
    is_whole = message.ret == Ret.FULL and message.size_bytes <= MOST_RETURNED
    return message.size_bytes if is_whole else MOST_OF_HEADER


def queued_content(message: OutboundMessage) -> bytes:
    """Return the beginning of the message as the queue still has it, or nothing."""
    head = Substr("data", 1, size_needed(message), output_field=BinaryField())
    rows = Content.objects.filter(message=message).annotate(head=head)
    return bytes(rows.values_list("head", flat=True).first() or b"")


def _recipient(copy: Recipient, kind: str) -> RecipientReport:
    attempt = copy.last_attempt
    is_waiting = copy.state == State.WAITING
    return RecipientReport(
        address=copy.address,
        domain=copy.domain,
        action=_action(copy, kind),
        explanation=copy.explanation,
        reply=copy.server_reply,
        enhanced=copy.enhanced,
        reason=Reason(copy.reason),
        mode=Mode(copy.mode),
        server=attempt.mx if attempt else "",
        server_address=(attempt.address or "") if attempt else "",
        attempts=copy.attempts_made,
        last_attempt_at=attempt.at if attempt else None,
        next_attempt_at=copy.next_attempt_at if is_waiting else None,
        orcpt=copy.orcpt,
    )


def _action(copy: Recipient, kind: str) -> Action:
    """RFC 3464 §2.3.3: mail that a server took without a word about DSN is only relayed."""
    if kind == "delivered":
        return Action.DELIVERED if copy.transport == LOCAL else Action.RELAYED
    return Action(kind)
