from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailweb.webmail import days

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("at", "group", "short", "full"),
    [
        ("2026-11-20T10:31", "Today", "10:31", "Today 10:31"),
        ("2026-11-20T23:59", "Today", "23:59", "Today 23:59"),
        ("2026-11-21T09:00", "Today", "09:00", "Sat 21 Nov, 09:00"),
        ("2026-11-19T18:47", "Yesterday", "18:47", "Yesterday 18:47"),
        ("2026-11-16T08:00", "This week", "Mon", "Mon 16 Nov, 08:00"),
        ("2026-11-14T08:00", "Last week", "Sat", "Sat 14 Nov, 08:00"),
        ("2026-11-09T08:00", "Last week", "9 Nov", "Mon 9 Nov, 08:00"),
        ("2026-11-03T08:00", "This month", "3 Nov", "Tue 3 Nov, 08:00"),
        ("2026-10-03T08:00", "October", "3 Oct", "Sat 3 Oct, 08:00"),
        ("2024-05-03T08:00", "May 2024", "3 May 2024", "Fri 3 May 2024, 08:00"),
    ],
)
def test_times_are_told_as_narrow_as_they_can_be(at, group, short, full):
    then = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert days.group(then, NOW) == group
    assert days.short(then, NOW) == short
    assert days.full(then, NOW) == full
