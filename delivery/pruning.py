"""Removing what is old: in small transactions, beside everything that goes on.

What an account knows of a domain (`DomainEvidence`) is folded from the attempts and stays as it is
when they go. Nothing goes that is still open, or that its sender has yet to decide about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from delivery.models import (
    Attempt,
    DestinationHealth,
    DomainLookup,
    KnownAddress,
    OutboundMessage,
    ProbeRequest,
    Recipient,
    Suppression,
)

BATCH = 500
"""Rows of one transaction: it holds its locks for some tens of milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Something that gets old: what is older than a moment, how long it is kept, how it goes."""

    name: str
    setting: str
    older: Callable[[datetime], QuerySet[Any]]
    remove: Callable[[QuerySet[Any]], object] = lambda rows: rows.delete()

    @property
    def days(self) -> int:
        """How long it is kept; 0 for ever."""
        return int(getattr(settings, self.setting))


def prune(kind: Kind, *, now: datetime, days: int | None = None) -> int:
    """Remove what has been kept longer than `days`, or than is set; return how many rows."""
    return sum(_batches(kind, now, days))


def count(kind: Kind, *, now: datetime, days: int | None = None) -> int:
    """Return how many rows `prune` would remove."""
    older = _older(kind, now, days)
    return older.count() if older is not None else 0


def _batches(kind: Kind, now: datetime, days: int | None) -> Iterator[int]:
    older = _older(kind, now, days)
    while older is not None:
        with transaction.atomic():
            free = older.order_by("pk").select_for_update(skip_locked=True, of=("self",))
            keys = list(free.values_list("pk", flat=True)[:BATCH])
            if not keys:
                return
            kind.remove(older.model._default_manager.filter(pk__in=keys))
        yield len(keys)


def _older(kind: Kind, now: datetime, days: int | None) -> QuerySet[Any] | None:
    keeps = kind.days if days is None else days
    return kind.older(now - timedelta(days=keeps)) if keeps else None


def _transcripts(before: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(at__lt=before).exclude(transcript="")


def _attempts(before: datetime) -> QuerySet[Attempt]:
    mine = Recipient.objects.filter(message=OuterRef("message"))
    return Attempt.objects.filter(~Exists(mine.open()), at__lt=before)


def _messages(before: datetime) -> QuerySet[OutboundMessage]:
    copies = Recipient.objects.filter(message=OuterRef("pk"))
    needed = copies.keeping_content() | copies.filter(
        Q(settled_at__gte=before) | Q(notice_due=True)
    )
    return OutboundMessage.objects.filter(~Exists(needed), queued_at__lt=before)


KINDS = (
    Kind(
        name="transcripts",
        setting="KEEP_TRANSCRIPTS_DAYS",
        older=_transcripts,
        remove=lambda rows: rows.update(transcript=""),
    ),
    Kind(name="messages", setting="KEEP_MESSAGES_DAYS", older=_messages),
    Kind(name="attempts", setting="KEEP_ATTEMPTS_DAYS", older=_attempts),
    Kind(
        name="lookups",
        setting="KEEP_LOOKUPS_DAYS",
        older=lambda before: DomainLookup.objects.filter(
            Q(looked_up_at__lt=before) | Q(looked_up_at=None, started_at__lt=before)
        ),
    ),
    Kind(
        name="probes",
        setting="KEEP_PROBES_DAYS",
        older=lambda before: ProbeRequest.objects.filter(requested_at__lt=before),
    ),
    Kind(
        name="hosts",
        setting="KEEP_HOSTS_DAYS",
        older=lambda before: DestinationHealth.objects.filter(updated_at__lt=before),
    ),
    # What is in force has no end, or one that is yet to come.
    Kind(
        name="suppressions",
        setting="KEEP_SUPPRESSIONS_DAYS",
        older=lambda before: Suppression.objects.filter(ends_at__lt=before),
    ),
    Kind(
        name="known",
        setting="KEEP_KNOWN_DAYS",
        older=lambda before: KnownAddress.objects.filter(
            Q(last_at__lt=before) | Q(last_at=None, first_at__lt=before)
        ),
    ),
)
