"""News from delivery: a report (RFC 3464), or a question, is filed in its sender's inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import BinaryField
from django.db.models.functions import Substr
from django.dispatch import receiver
from django.urls import reverse

from delivery import reports
from delivery.models import OutboundMessage
from delivery.report import build
from delivery.signals import delivery_settled
from mailweb.webmail import services
from mailweb.webmail.models import Message, Notice, Role

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from delivery.models import Recipient

_KINDS = {
    "failed": Notice.FAILED,
    "delayed": Notice.DELAYED,
    "held": Notice.HELD,
    "delivered": Notice.ARRIVED,
}


@receiver(delivery_settled, sender=OutboundMessage)
def file_notice(
    message: OutboundMessage,
    recipients: Sequence[Recipient],
    kind: str,
    now: datetime,
    **_: object,
) -> None:
    """File a report for the owner; mail without one, such as a bounce, never gets any."""
    if message.owner is None or not recipients:
        return
    report = reports.report_on(
        message,
        recipients,
        kind=kind,
        original=reports.queued_content(message) or _sent_copy(message),
        outbox_url=settings.BASE_URL + reverse("webmail:outbox"),
        now=now,
    )
    services.file_message(
        user=message.owner,
        role_or_mailbox=Role.INBOX,
        data=build(report),
        now=now,
        reports_on=message,
        notice=_KINDS[kind],
    )


def _sent_copy(message: OutboundMessage) -> bytes:
    """Return the beginning of the original as its sender kept it, or nothing."""
    size = reports.size_needed(message)
    head = Substr("blob__data", 1, size, output_field=BinaryField())
    copies = Message.objects.filter(outbound=message, user=message.owner_id).annotate(head=head)
    return bytes(copies.values_list("head", flat=True).first() or b"")
