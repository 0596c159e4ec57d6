"""News from delivery: a copy that failed or is late becomes a notice in its sender's inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.dispatch import receiver
from django.urls import reverse
from django.utils import timezone

from delivery.models import Content, OutboundMessage, Recipient
from delivery.policy.modes import Mode
from delivery.signals import delivery_settled
from mailweb.webmail import services
from mailweb.webmail.mime import headers, notice
from mailweb.webmail.models import Message, Notice, Role

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_KINDS = {"failed": Notice.FAILED, "delayed": Notice.DELAYED}


@receiver(delivery_settled, sender=OutboundMessage)
def file_notice(
    message: OutboundMessage, recipients: Sequence[Recipient], kind: str, **_: object
) -> None:
    """File a notice for the owner; mail without one, such as a bounce, never gets any."""
    if message.owner is None or not recipients or kind not in _KINDS:
        return
    now = timezone.now()
    services.file_message(
        user=message.owner,
        role_or_mailbox=Role.INBOX,
        data=notice.build(_notice(message, recipients, kind, now)),
        now=now,
        reports_on=message,
        notice=_KINDS[kind],
    )


def _notice(
    message: OutboundMessage, recipients: Sequence[Recipient], kind: str, now: datetime
) -> notice.Notice:
    return notice.Notice(
        hostname=settings.MAIL_HOSTNAME,
        notice_id=f"{kind}.{message.uuid}.{recipients[0].pk}@{settings.MAIL_HOSTNAME}",
        to=message.mail_from,
        subject=message.subject,
        original_id=message.message_id,
        original_header=_header(message),
        queued_at=message.queued_at,
        now=now,
        failures=tuple(_failure(copy, message, kind) for copy in recipients),
        recipients=message.recipients.count(),
        outbox_url=settings.BASE_URL + reverse("webmail:outbox"),
        requires_tls=any(copy.mode == Mode.REQUIRETLS for copy in recipients),
    )


def _failure(copy: Recipient, message: OutboundMessage, kind: str) -> notice.Failure:
    attempt = copy.last_attempt
    return notice.Failure(
        address=copy.address,
        explanation=copy.explanation,
        # Where no server spoke, this repeats the explanation with a code of our own.
        reply=copy.last_reply if copy.explanation not in copy.last_reply else "",
        enhanced=copy.enhanced,
        server=attempt.mx if attempt else "",
        attempts=copy.attempts_made,
        last_attempt_at=attempt.at if attempt else None,
        retries_until=message.expires_at if kind == "delayed" else None,
    )


def _header(message: OutboundMessage) -> bytes:
    """Return the header of the original, from the queue or else from the sent copy."""
    content = Content.objects.filter(message=message).values_list("data", flat=True).first()
    if content is None:
        copies = Message.objects.filter(outbound=message, user=message.owner_id)
        content = copies.values_list("blob__data", flat=True).first()
    data = bytes(content or b"")
    return data[: headers.split(data, 0, len(data))[1]].rstrip()
