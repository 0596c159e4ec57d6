"""Hosts in trouble, as an operator deals with them: "try now" instead of at the next probe."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from delivery import audit, tasks
from delivery.models import DestinationHealth, Recipient, State
from delivery.selectors.destinations import domains_behind
from mailweb.lib.queue import enqueue


def try_now(rows: Iterable[DestinationHealth], *, by: audit.Actor, now: datetime) -> int:
    """Leave these hosts alone no more, and let what waits for them leave; return how many copies.

    A worker that hears of it takes its host as new: one session at first.
    """
    picked = {row.pk: row for row in rows}
    hosts = sorted({row.host for row in picked.values()})
    with transaction.atomic():
        domains = set().union(*domains_behind(hosts).values())
        DestinationHealth.objects.filter(pk__in=picked).delete()
        kicked = Recipient.objects.filter(state=State.WAITING, domain__in=domains).update(
            state=State.QUEUED, next_attempt_at=now
        )
        if picked:
            audit.write(
                audit.Entry(
                    action="host tried now",
                    actor=by,
                    at=now,
                    target=", ".join(hosts),
                    touched=kicked,
                    detail={"hosts": hosts[: audit.IDS_KEPT], "domains": sorted(domains)[:200]},
                )
            )
            enqueue(tasks.drain)
    return kicked
