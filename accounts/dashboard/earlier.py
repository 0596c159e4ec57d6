"""What a domain published before, and since when it publishes what it does: texts with dates.

The history belongs to the installation. A page tells of it no further back than the account has
known the domain itself, so that nobody learns when others first asked about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from delivery.models import PublishedPolicy
from delivery.policy.dates import day
from delivery.policy.mtasts import PolicySyntaxError, parse_policy
from delivery.policy.published import PolicyKind, PublishedMode

MOST_EARLIER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a domain was seen to publish, the latest first, for an account that has known it `since`."""

    rows: Sequence[PublishedPolicy] = ()
    known_since: datetime | None = None

    def mode_since(self, kind: PolicyKind, mode: PublishedMode, now: datetime) -> str:
        """Return since when policies of this kind are in `mode` without a break; empty if unknown."""
        began: PublishedPolicy | None = None
        for row in self.rows:
            if row.kind != kind:
                continue
            follows = row.gone_at is None if began is None else row.gone_at == began.first_seen_at
            if row.mode != mode or not follows:
                break
            began = row
        return self._since([began], now) if began else ""

    def hosts_since(self, hosts: Sequence[str], now: datetime) -> str:
        """Return since when these hosts have the TLSA records they have; empty if unknown."""
        rows = [row for row in self.rows if row.host in hosts and row.gone_at is None]
        return self._since(rows, now) if len(rows) == len(hosts) else ""

    def weakened(self, now: datetime) -> str:
        """Return when the MTA-STS policy stopped being enforced, if the one in force is the first after."""
        found = [row for row in self.rows if row.kind == PolicyKind.MTA_STS]
        if len(found) < 2 or found[1].mode != PublishedMode.ENFORCE or found[1].gone_at is None:
            return ""
        if found[0].mode == PublishedMode.ENFORCE or not self._knows(found[1]):
            return ""
        return day(found[1].gone_at, now)

    def last_known(self, kind: PolicyKind, now: datetime) -> str:
        """Return what was last seen of a policy about which nothing can be learnt now."""
        rows = (row for row in self.rows if row.kind == kind and row.gone_at is None)
        row = next(rows, None)
        if row is None or not self._knows(row):
            return ""
        return f"Last seen {day(row.last_seen_at, now)}: {told(row)}"

    def ended(self) -> list[PublishedPolicy]:
        """Return what is published no more, the latest first."""
        rows = [row for row in self.rows if row.gone_at is not None and self._knows(row)]
        return sorted(rows, key=lambda row: (row.last_seen_at, row.first_seen_at), reverse=True)

    def is_replaced(self, row: PublishedPolicy) -> bool:
        """Return whether something else took the place of `row` when it ended."""
        return any(
            (one.kind, one.host, one.first_seen_at) == (row.kind, row.host, row.gone_at)
            for one in self.rows
        )

    def period(self, row: PublishedPolicy, now: datetime) -> str:
        """Return from when to when: 14 May to 2 August."""
        first, last = day(self._start(row), now), day(row.last_seen_at, now)
        return first if first == last else f"{first} to {last}"

    def _knows(self, row: PublishedPolicy) -> bool:
        return self.known_since is not None and row.last_seen_at >= self.known_since

    def _start(self, row: PublishedPolicy) -> datetime:
        return max(row.first_seen_at, self.known_since or row.first_seen_at)

    def _since(self, rows: Sequence[PublishedPolicy], now: datetime) -> str:
        if not rows or self.known_since is None:
            return ""
        latest = max(self._start(row) for row in rows)
        is_older = any(row.first_seen_at < self.known_since for row in rows)
        return f"{'at least ' if is_older and latest == self.known_since else ''}since {day(latest, now)}"


def told(row: PublishedPolicy) -> str:
    """Return a policy in a few words: enforced, 2 servers named."""
    words = MODES[PublishedMode(row.mode)]
    if row.kind != PolicyKind.MTA_STS:
        return f"{words}."
    try:
        named = len(parse_policy(row.content).mx)
    except PolicySyntaxError:
        return f"{words}."
    return f"{words}, {servers(named)} named." if named else f"{words}."


def servers(number: int) -> str:
    """Return a number of servers."""
    return f"{number} server" if number == 1 else f"{number} servers"


MODES = {
    PublishedMode.ENFORCE: "enforced",
    PublishedMode.TESTING: "in testing",
    PublishedMode.NONE: "given up",
    PublishedMode.USABLE: "usable records",
    PublishedMode.UNUSABLE: "records of a kind that mail can’t use",
}
