"""A finished message from outside compose (a file, later SMTP submission) is handed to delivery."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from accounts import selectors as accounts
from delivery import services as delivery
from delivery.counting import submission
from delivery.metrics import Door
from delivery.policy.modes import Mode, Order
from delivery.policy.tls_required import says_no
from delivery.promises import foreseen
from mailweb.lib import addresses as grammar
from mailweb.lib.errors import UserError
from mailweb.webmail import services
from mailweb.webmail.acquaintances import known_among
from mailweb.webmail.mime.parse import parse
from mailweb.webmail.models import Role

if TYPE_CHECKING:
    from accounts.models import User
    from delivery.models import OutboundMessage
    from delivery.policy.reporting import Reporting


class UnknownSenderError(UserError):
    """The sender is not an address of an account here."""


@submission(Door.COMMAND)
def hand_over(
    *,
    sender: str,
    addresses: list[str],
    data: bytes,
    mode: Mode | None,
    release_at: datetime | None,
    now: datetime,
    reporting: Reporting = delivery.NOTHING_SAID,
) -> OutboundMessage:
    """Queue `data` for `addresses` and file the sent copy, in one transaction.

    Without a `mode`, the account's default applies, and a header "TLS-Required: No" (RFC 8689
    §3) chooses "TLS optional".

    Raises:
        UserError: the sender, a recipient or the message can't be accepted.
    """
    user = accounts.user_for_address(sender)
    if user is None or not user.is_active:
        raise UnknownSenderError
    content = with_crlf(data)
    parsed = parse(content)
    recipients = _recipients(
        user, addresses, mode or _asked_for(user, content), now if release_at else None
    )
    with transaction.atomic():
        message = delivery.submit(
            owner=user,
            mail_from=sender,
            recipients=recipients,
            known=known_among(user, [one.address for one in recipients]),
            content=content,
            subject=parsed.subject,
            message_id=parsed.message_id,
            sender_policy=accounts.preferences_of(user).policy,
            now=now,
            release_at=release_at,
            reporting=reporting,
        )
        services.file_message(
            user=user,
            role_or_mailbox=Role.SENT,
            data=content,
            now=now,
            is_seen=True,
            outbound=message,
        )
    return message


def _recipients(
    user: User, given: list[str], mode: Mode, promised_at: datetime | None
) -> list[delivery.NewRecipient]:
    """Return the copies; what leaves later takes along how it would travel at `promised_at`."""
    found = dict.fromkeys(grammar.parse(text).spec for text in given)
    pledges = accounts.pledges_for(user, list(found))
    policy = accounts.preferences_of(user).policy
    orders = {
        address: Order(mode=mode, pledge=pledges.get(address), sender=policy) for address in found
    }
    ways = foreseen(owner_id=user.pk, orders=orders, now=promised_at) if promised_at else {}
    return [
        delivery.NewRecipient(
            address=address, mode=mode, pledge=pledges.get(address), promised=ways.get(address)
        )
        for address in found
    ]


def _asked_for(user: User, content: bytes) -> Mode:
    """Return the mode that the message itself asks for, or else the account's."""
    if says_no(content):
        return Mode.OPTIONAL
    return Mode(accounts.preferences_of(user).default_mode)


def with_crlf(data: bytes) -> bytes:
    """Return the message with every line ended by CRLF (RFC 5321 §2.3.8)."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"
