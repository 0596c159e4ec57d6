"""The overview: one sentence, the weeks, what needs attention, who announces REQUIRETLS."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Case, Count, IntegerField, Q, Value, When
from django.db.models.functions import TruncWeek

from accounts.dashboard import sentences
from accounts.dashboard.chart import Chart, Level, draw
from delivery import stored
from delivery.models import AttemptOutcome, DomainEvidence, RecipientAttempt
from delivery.policy.dates import day
from delivery.policy.facts import Dnssec, Proof
from delivery.policy.modes import Mode
from delivery.policy.reasons import Reason
from delivery.policy.record import Seen
from delivery.policy.transport import RELAYING
from delivery.selectors import lost_policies, weakened_domains

WEEKS_DRAWN = 20
WEEKS_COUNTED = 5
ALERTS_SHOWN = 8
BARS_OF_CENSUS = 92

NEEDS_ATTENTION = (
    ~Q(stopped_by="")
    | Q(starttls_state=Seen.FAILED)
    | Q(starttls_state=Seen.NO, starttls_was_yes=True)
    | Q(starttls_state=Seen.YES, requiretls_state=Seen.NO, requiretls_was_yes=True)
    | weakened_domains()
)
IN_THE_CLEAR = Q(starttls_state=Seen.NO)
NEVER_SEEN = Q(starttls_state=Seen.UNKNOWN)

LEVEL_NAMES = {
    Level.REQUIRETLS: "REQUIRETLS",
    Level.VERIFIED: "Verified TLS",
    Level.TLS: "TLS, not verified",
    Level.PLAIN: "Plain text",
}


# What `delivery.selectors.way_of` says of one attempt, for the database to count by.
_PKIX_ALONE = Q(attempt__verified_by=[Proof.PKIX.value]) & (
    ~Q(attempt__dnssec=Dnssec.SECURE) | ~Q(attempt__reason="")
)
_STS_AGAINST_DANE = Q(attempt__verified_by=[Proof.STS_PKIX.value]) & ~Q(
    attempt__reason__in=("", Reason.TLSA_INVALID)
)
LEVEL = Case(
    When(attempt__requiretls_used=True, then=Value(Level.REQUIRETLS.value)),
    When(attempt__tls_version="", then=Value(Level.PLAIN.value)),
    # Through a relay, nobody knows what happened after the first hop.
    When(attempt__transport_kind__in=sorted(RELAYING), then=Value(Level.TLS.value)),
    When(attempt__mode=Mode.VERIFIED, then=Value(Level.VERIFIED.value)),
    When(Q(attempt__verified_by=[]) | _PKIX_ALONE | _STS_AGAINST_DANE, then=Value(Level.TLS.value)),
    default=Value(Level.VERIFIED.value),
    output_field=IntegerField(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRow:
    """One level of protection: copies in the last weeks, their share, and in the weeks before."""

    level: int
    name: str
    copies: int
    share: str
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """One domain that needs attention."""

    domain: str
    alert: sentences.Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiretlsCensus:
    """Who announces REQUIRETLS; `shapes` has a bar for each domain, unless they are too many."""

    yes: int
    no: int
    unknown: int
    shapes: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many domains there are."""
        return self.yes + self.no + self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What stands above the table of domains."""

    lede: str
    more: str
    domains: int
    chart: Chart | None
    levels: tuple[LevelRow, ...]
    weeks: int
    alerts: tuple[AlertRow, ...]
    alerts_total: int
    census: RequiretlsCensus


def overview(*, owner_id: int, now: datetime) -> Overview:
    """Return the overview in three queries."""
    counts = _counts(owner_id)
    weeks = _weeks(now)
    by_week = _copies(owner_id, weeks[0])
    levels = _levels(by_week, weeks)
    return Overview(
        lede=sentences.overview(_travelled(levels), _census(counts)),
        more=_more(levels, counts["domains"], weeks, now),
        domains=counts["domains"],
        chart=draw(weeks, by_week, WEEKS_COUNTED) if by_week else None,
        levels=levels,
        weeks=WEEKS_COUNTED,
        alerts=_alerts(owner_id, now),
        alerts_total=counts["alerts"],
        census=_requiretls(counts),
    )


def counts_for_navigation(owner_id: int) -> tuple[int, int]:
    """Return how many recipient domains there are, and how many need attention: one query."""
    found = DomainEvidence.objects.filter(owner_id=owner_id).aggregate(
        domains=Count("id"), alerts=Count("id", filter=NEEDS_ATTENTION)
    )
    return found["domains"], found["alerts"]


def _counts(owner_id: int) -> dict[str, int]:
    counted: dict[str, int] = DomainEvidence.objects.filter(owner_id=owner_id).aggregate(
        domains=Count("id"),
        seen=Count("id", filter=~NEVER_SEEN),
        verified=Count("id", filter=Q(proven_hits__gt=0)),
        never_tls=Count("id", filter=~NEVER_SEEN & Q(starttls_hits=0)),
        alerts=Count("id", filter=NEEDS_ATTENTION),
        requiretls_yes=Count("id", filter=Q(requiretls_state=Seen.YES)),
        requiretls_no=Count("id", filter=Q(requiretls_state=Seen.NO)),
    )
    return counted


def _weeks(now: datetime) -> list[date]:
    """Return the Mondays of the weeks that are drawn, the running one last."""
    monday = now.astimezone(UTC).date() - timedelta(days=now.astimezone(UTC).weekday())
    return [monday - timedelta(weeks=back) for back in range(WEEKS_DRAWN - 1, -1, -1)]


def _copies(owner_id: int, first: date) -> dict[date, dict[Level, int]]:
    """Return how many copies were handed over each week, by how they travelled."""
    rows = (
        RecipientAttempt.objects.filter(
            outcome=AttemptOutcome.DELIVERED,
            attempt__owner_id=owner_id,
            attempt__at__gte=datetime(first.year, first.month, first.day, tzinfo=UTC),
        )
        .annotate(week=TruncWeek("attempt__at", tzinfo=UTC), level=LEVEL)
        .values_list("week", "level")
        .annotate(copies=Count("id"))
        .order_by()
    )
    found: dict[date, dict[Level, int]] = defaultdict(dict)
    for week, number, copies in rows:
        found[week.date()][Level(number)] = copies
    return dict(found)


def _levels(by_week: dict[date, dict[Level, int]], weeks: list[date]) -> tuple[LevelRow, ...]:
    now = _sum(by_week, weeks[-WEEKS_COUNTED:])
    before = _sum(by_week, weeks[-2 * WEEKS_COUNTED : -WEEKS_COUNTED])
    total = sum(now.values())
    return tuple(
        LevelRow(
            level=level.value,
            name=name,
            copies=now[level],
            share=f"{round(100 * now[level] / total)} %" if total else "–",
            before=before[level],
        )
        for level, name in LEVEL_NAMES.items()
    )


def _sum(by_week: dict[date, dict[Level, int]], weeks: list[date]) -> dict[Level, int]:
    return {level: sum(by_week.get(week, {}).get(level, 0) for week in weeks) for level in Level}


def _travelled(levels: tuple[LevelRow, ...]) -> sentences.Travelled:
    copies = {row.level: row.copies for row in levels}
    return sentences.Travelled(
        verified=copies[Level.REQUIRETLS] + copies[Level.VERIFIED],
        plain=copies[Level.PLAIN],
        total=sum(copies.values()),
    )


def _census(counts: dict[str, int]) -> sentences.Census:
    return sentences.Census(
        domains=counts["domains"],
        seen=counts["seen"],
        verified=counts["verified"],
        never_tls=counts["never_tls"],
    )


def _more(levels: tuple[LevelRow, ...], domains: int, weeks: list[date], now: datetime) -> str:
    """Return what the sentence rests on."""
    known = f"{domains} recipient domain" + ("" if domains == 1 else "s")
    if not any(row.copies for row in levels):
        return f"What was seen in sessions with {known}. No copy left in the last {WEEKS_COUNTED} weeks."
    first = datetime.combine(weeks[-WEEKS_COUNTED], datetime.min.time(), UTC)
    return (
        f"{day(first, now)} to today, {now:%H:%M} UTC. What was seen at the time of sending, for "
        f"{known}; each recipient’s copy counts."
    )


def _alerts(owner_id: int, now: datetime) -> tuple[AlertRow, ...]:
    rows = DomainEvidence.objects.filter(NEEDS_ATTENTION, owner_id=owner_id)
    shown = list(rows.order_by("-last_seen_at", "domain")[:ALERTS_SHOWN])
    alerts = {
        row.domain: sentences.alert(row.domain, stored.record_from(row), now) for row in shown
    }
    quiet = [row for row in shown if alerts[row.domain] is None]
    lost = lost_policies([row.domain for row in quiet]) if quiet else {}
    for row in quiet:
        if row.domain in lost:
            alerts[row.domain] = sentences.policy_alert(
                row.domain, lost[row.domain], row.first_seen_at, now
            )
    return tuple(AlertRow(domain=domain, alert=alert) for domain, alert in alerts.items() if alert)


def _requiretls(counts: dict[str, int]) -> RequiretlsCensus:
    yes, no, total = counts["requiretls_yes"], counts["requiretls_no"], counts["domains"]
    unknown = total - yes - no
    shapes = ("yes",) * yes + ("no",) * no + ("unknown",) * unknown
    return RequiretlsCensus(
        yes=yes,
        no=no,
        unknown=unknown,
        shapes=shapes if total <= BARS_OF_CENSUS else (),
    )
