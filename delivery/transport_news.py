"""What deliveries show about the relays they went to, written down beside their outcomes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from delivery import stored, transports
from delivery.agent.job import AttemptReport, HostAttempt
from delivery.models import Transport
from delivery.policy import transport as policy
from delivery.policy.record import LastSession, last_session
from delivery.sasl import strongest

logger = logging.getLogger(__name__)

WRITTEN_AGAIN_AFTER = timedelta(minutes=10)
"""How old the note of a relay's last session may be while sessions go on showing the same."""


def learn(reports: Iterable[AttemptReport], *, now: datetime) -> None:
    """Pause transports whose log-in was refused, and note what the last sessions showed.

    A failure to write that down is logged, and fails no delivery.
    """
    seen: dict[str, tuple[policy.Transport, HostAttempt]] = {}
    for report in reports:
        via = report.job.transport
        if via is None or not via.is_relay:
            continue
        for attempt in report.attempts:
            if attempt.locked_out or attempt.evidence is not None:
                seen[via.name] = via, attempt
    if not seen:
        return
    try:
        with transaction.atomic():
            rows = Transport.objects.in_bulk(list(seen), field_name="name")
            for via, attempt in seen.values():
                if via.name in rows and rows[via.name].version == via.version:
                    _note(rows[via.name], attempt, now)
    except Exception:
        logger.exception("transports not noted", extra={"transports": sorted(seen)})


def _note(row: Transport, attempt: HostAttempt, now: datetime) -> None:
    if attempt.locked_out:
        transports.pause_by_itself(row, because=attempt.locked_out, now=now)
    if attempt.evidence is None:
        return
    if attempt.mechanism:
        _pin(row, attempt)
    last = last_session(attempt.evidence, attempt.host, attempt.started_at)
    before = stored.session_from(row.last_session) if row.last_session else None
    if not _is_known(before, last):
        kept = stored.session_json(last)
        Transport.objects.filter(pk=row.pk, version=row.version).update(last_session=kept)


def _pin(row: Transport, attempt: HostAttempt) -> None:
    """Remember the mechanism that logged in, if it is the strongest that ever did at this host."""
    before = row.proven.get(attempt.host, "")
    best = strongest(before, attempt.mechanism)
    if best is not None and best != before:
        proven = {**row.proven, attempt.host: best.value}
        Transport.objects.filter(pk=row.pk, version=row.version).update(proven=proven)


def _is_known(before: LastSession | None, last: LastSession) -> bool:
    if before is None or last.at - before.at > WRITTEN_AGAIN_AFTER:
        return False
    return before == replace(last, at=before.at)
