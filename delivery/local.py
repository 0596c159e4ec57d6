"""Mail for this installation's own accounts: handed to the app that files it.

Delivery does not know who has mailboxes here. The setting LOCAL_DELIVERY names the class that
does; it is called inside the transaction that settles the copies, so that each is filed once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, cast

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from delivery import claims, ledger
from delivery.agent.job import RecipientResult
from delivery.copies import Copy
from delivery.models import Recipient
from delivery.policy.outcome import Outcome


class LocalDelivery(Protocol):
    """What the named class offers."""

    def local_domains(self, domains: set[str]) -> set[str]:
        """Return those of `domains` that are this installation's own."""

    def deliver(
        self, *, mail_from: str, addresses: list[str], content: bytes, now: datetime
    ) -> dict[str, Outcome]:
        """File a message for each of `addresses` and say how that ended."""


def delivery() -> LocalDelivery:
    """Return the installation's own delivery."""
    return cast("LocalDelivery", import_string(settings.LOCAL_DELIVERY)())


def local_domains(domains: set[str]) -> set[str]:
    """Return those of `domains` that are this installation's own."""
    return delivery().local_domains(domains) if domains else set()


def deliver(*, claimed: claims.Claim, recipients: list[Copy], now: datetime) -> None:
    """File the copies of `recipients` and settle them, one transaction a message."""
    by_message: dict[int, list[Copy]] = {}
    for one in recipients:
        by_message.setdefault(one.message_id, []).append(one)
    for message_id, copies in by_message.items():
        with transaction.atomic():
            outcomes = delivery().deliver(
                mail_from=copies[0].mail_from,
                addresses=[one.address for one in copies],
                content=claimed.contents[message_id],
                now=now,
            )
            results = [RecipientResult(key=one.pk, outcome=outcomes[one.address]) for one in copies]
            Recipient.objects.filter(pk__in=[one.pk for one in copies]).update(transport="local")
            ledger.settle(
                copies={one.pk: one for one in copies}, results=results, now=now, jitter=0.0
            )
