"""One time for all workers: the database's.

Leases, retries and expiry compare moments that different machines wrote down. On PostgreSQL all
of them go by its clock, which each process reads now and then and carries on by counting seconds.
So a machine whose clock is wrong, or is set while it works, does no harm. With SQLite there is one
machine, and its clock is read the same way.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

LEAP = timedelta(seconds=2)
"""A reading that is further than this from what was expected: somebody has set the clock."""


class SharedClock:
    """Tells the time it was last set to, plus the seconds since; knows when it had to leap."""

    def __init__(self) -> None:
        self._set_to = datetime.now(UTC)
        self._set_at = time.monotonic()
        self._is_set = False
        self._leapt_at: float | None = None

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self._set_to + timedelta(seconds=time.monotonic() - self._set_at)

    def read(self) -> None:
        """Go by the database's clock, or with SQLite by the machine's."""
        self.set(_database_time())

    def set(self, reading: datetime) -> None:
        """Go by `reading` from now on."""
        if self._is_set and abs(reading - self.now()) > LEAP:
            self._leapt_at = time.monotonic()
        self._is_set = True
        self._set_to, self._set_at = reading, time.monotonic()

    def has_leapt_within(self, span: timedelta) -> bool:
        """Whether moments written down in the last `span` may come from another time than ours."""
        return (
            self._leapt_at is not None and time.monotonic() - self._leapt_at < span.total_seconds()
        )


def _database_time() -> datetime:
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0].astimezone(UTC)  # type: ignore[no-any-return]


_shared = SharedClock()


def shared() -> SharedClock:
    """Return the clock of this process, just read."""
    _shared.read()
    return _shared
