"""When a deferred copy is tried again.

Nothing here reads a clock or rolls dice: `now` and `jitter` are arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

FIRST_WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
)
LONGEST_WAIT = timedelta(hours=4)

DELAY_NOTICE_AFTER = timedelta(hours=4)
"""A copy that still waits so long after it could leave is a delay its sender is told of."""

LONGEST_LIFETIME_HOURS = 30 * 24
FURTHEST_RELEASE = timedelta(days=60)
"""How far ahead a message can be asked to leave (RFC 4865 §4: a server's max-future-release)."""


def wait_after(attempts_made: int) -> timedelta:
    """Return the wait after so many tries: short ones first, then 1 hour growing to 4."""
    if attempts_made <= len(FIRST_WAITS):
        return FIRST_WAITS[max(attempts_made, 1) - 1]
    return min(timedelta(hours=attempts_made - len(FIRST_WAITS)), LONGEST_WAIT)


def next_attempt(
    attempts_made: int,
    *,
    now: datetime,
    expires_at: datetime,
    jitter: float,
    not_before: datetime | None = None,
) -> datetime | None:
    """Return when to try again, or None once the message has been in the queue too long.

    `jitter`, from 0 to 1, lengthens the wait by up to a tenth, so that a host that comes back
    is not met by everyone at once. A wait that would end after `expires_at` is cut short to
    give one last try. `not_before` lengthens it where a host is left alone until then.
    """
    if now >= expires_at:
        return None
    wait = max(wait_after(attempts_made), (not_before or now) - now)
    return min(now + wait + wait * jitter / 10, expires_at)


def coming_attempts(
    attempts_made: int, *, next_at: datetime, expires_at: datetime
) -> Iterator[datetime]:
    """Yield when a copy will be tried, from `next_at` on to the last time, if it goes on failing.

    The times after the first are the earliest ones: each wait is up to a tenth longer.
    """
    at: datetime | None = min(next_at, expires_at)
    while at is not None:
        yield at
        attempts_made += 1
        at = next_attempt(attempts_made, now=at, expires_at=expires_at, jitter=0.0)
