"""Mail for our own accounts: filed, not sent. Called by the delivery worker (LOCAL_DELIVERY)."""

from __future__ import annotations

from email.utils import format_datetime
from typing import TYPE_CHECKING

from django.conf import settings

from accounts import selectors as accounts
from delivery.policy.outcome import Outcome, Result, Scope
from mailweb.webmail import services
from mailweb.webmail.mime.headers import one_line
from mailweb.webmail.models import Role

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import User


class MailboxDelivery:
    """Delivers to the inboxes of this installation."""

    def local_domains(self, domains: set[str]) -> set[str]:
        """Return those of `domains` whose mail is filed here."""
        return accounts.local_domains(domains)

    def deliver(
        self, *, mail_from: str, addresses: list[str], content: bytes, now: datetime
    ) -> dict[str, Outcome]:
        """File `content` for each address, once per account, and say how each one ended.

        Runs in the caller's transaction: what is not committed was not delivered.
        """
        outcomes: dict[str, Outcome] = {}
        done: set[int] = set()
        for address in addresses:
            user = accounts.user_for_address(address)
            if user is not None and user.pk not in done:
                done.add(user.pk)
                _file(user, mail_from, address, content, now)
            outcomes[address] = _unknown(address) if user is None else _delivered()
        return outcomes


def _file(user: User, mail_from: str, address: str, content: bytes, now: datetime) -> None:
    trace = (
        f"Return-Path: <{one_line(mail_from)}>\r\n"
        f"Delivered-To: {one_line(address)}\r\n"
        f"Received: by {settings.MAIL_HOSTNAME} (local delivery);\r\n {format_datetime(now)}\r\n"
    )
    services.file_message(
        user=user, role_or_mailbox=Role.INBOX, data=trace.encode() + content, now=now
    )


def _delivered() -> Outcome:
    return Outcome(
        result=Result.DELIVERED,
        scope=Scope.RECIPIENT,
        code=250,
        enhanced="2.1.5",
        public="Filed in the mailbox on this server. It did not leave the machine.",
    )


def _unknown(address: str) -> Outcome:
    return Outcome(
        result=Result.FAILED,
        scope=Scope.RECIPIENT,
        code=550,
        enhanced="5.1.1",
        public=f"There is no mailbox {address} on this server.",
    )
