"""The table of recipient domains for other programs: CSV and JSON, times in ISO 8601 UTC."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from accounts.dashboard.table import Query, evidence
from delivery.policy.bars import Bar, BarKey
from delivery.selectors import domain_views

if TYPE_CHECKING:
    from delivery.models import DomainEvidence
    from delivery.selectors import DomainView

AT_ONCE = 500
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for a formula."""


def as_json(*, owner_id: int, query: Query, now: datetime) -> str:
    """Return one JSON document."""
    domains = [_document(row, view) for row, view in _known(owner_id, query, now)]
    document = {
        "type": "mailweb-domains",
        "version": 1,
        "at": now.astimezone(UTC).isoformat(),
        "domains": domains,
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def as_csv(*, owner_id: int, query: Query, now: datetime) -> str:
    """Return a table with a line for each domain; no cell can act as a formula."""
    out = io.StringIO()
    table = csv.writer(out)
    bars = [f"{key.value}{part}" for key in BarKey for part in ("", "_at", "_seen", "_of")]
    table.writerow(
        ["domain", "first_seen", "last_seen", "sent", "verified", *bars, "stopped_by", "reason"]
    )
    for row, view in _known(owner_id, query, now):
        cells = [row.domain, _time(row.first_seen_at), _time(row.last_seen_at)]
        cells += [str(row.deliveries), str(row.verified_deliveries)]
        for bar in view.bars:
            cells += [bar.state.value, _time(bar.seen_at), str(bar.hits), str(bar.sessions)]
        table.writerow([harmless(cell) for cell in (*cells, row.stopped_by, row.reason)])
    return out.getvalue()


def harmless(cell: str) -> str:
    """Return the cell so that a spreadsheet shows it instead of running it."""
    return f"'{cell}" if cell.startswith(RISKY) else cell


def _known(
    owner_id: int, query: Query, now: datetime
) -> Iterator[tuple[DomainEvidence, DomainView]]:
    """Yield each domain with what is known of it, two queries for each few hundred."""
    rows = list(evidence(owner_id=owner_id, query=query))
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        views = domain_views(owner_id=owner_id, domains=(row.domain for row in part), now=now)
        for row in part:
            yield row, views[row.domain]


def _document(row: DomainEvidence, view: DomainView) -> dict[str, object]:
    return {
        "domain": row.domain,
        "first_seen": _time(row.first_seen_at) or None,
        "last_seen": _time(row.last_seen_at) or None,
        "last_host": row.last_host,
        "sent": row.deliveries,
        "verified": row.verified_deliveries,
        "stopped_by": row.stopped_by,
        "reason": row.reason,
        "bars": {bar.key.value: _bar(bar) for bar in view.bars},
    }


def _bar(bar: Bar) -> dict[str, object]:
    return {
        "state": bar.state.value,
        "since": _time(bar.since) or None,
        "at": _time(bar.seen_at) or None,
        "seen": bar.hits,
        "of": bar.sessions,
        "reason": bar.reason.value,
        "is_old": bar.is_old,
        "was_yes": bar.was_yes,
    }


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat() if at else ""
