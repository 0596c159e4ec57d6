"""When a call that failed is made again."""

from __future__ import annotations

from datetime import datetime, timedelta

WAITS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After the first try, the second, and so on: a little more than three days in all."""

LONGEST_WAIT_ASKED_FOR = timedelta(hours=1)


def next_try(
    tries: int, *, now: datetime, jitter: float, asked_for: timedelta | None = None
) -> datetime | None:
    """Return when to call again after `tries` calls failed, or None to give up.

    `jitter` is 0 to 1 and makes the wait up to a tenth longer. `asked_for` is what a `Retry-After`
    of the other side said; it counts if it is longer than our own wait, up to an hour.
    """
    if tries > len(WAITS):
        return None
    wait = WAITS[tries - 1] * (1 + jitter / 10)
    if asked_for is not None:
        wait = max(wait, min(asked_for, LONGEST_WAIT_ASKED_FOR))
    return now + wait
