"""Times as a list of mail shows them. Pure: `now` and `at` are given, in the reader's own zone."""

from __future__ import annotations

from datetime import date, datetime, timedelta


def group(at: datetime, now: datetime) -> str:
    """Return the heading under which a message stands: Today, Yesterday, …, October, May 2024."""
    day, today = at.date(), now.date()
    monday = today - timedelta(days=today.weekday())
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    if day >= monday:
        return "This week"
    if day >= monday - timedelta(days=7):
        return "Last week"
    if (day.year, day.month) == (today.year, today.month):
        return "This month"
    return f"{at:%B}" if day.year == today.year else f"{at:%B %Y}"


def short(at: datetime, now: datetime) -> str:
    """Return the time as narrow as it can be told: 10:31, Fri, 3 Nov, 3 Nov 2024."""
    age = (now.date() - at.date()).days
    if age <= 1:
        return f"{at:%H:%M}"
    if age < 7:
        return f"{at:%a}"
    return _day(at.date(), now.date())


def full(at: datetime, now: datetime) -> str:
    """Return the time for the head of a message: Today 10:31, Mon 23 Nov, 16:04."""
    age = (now.date() - at.date()).days
    if age in {0, 1}:
        return f"{'Yesterday' if age else 'Today'} {at:%H:%M}"
    return f"{at:%a} {_day(at.date(), now.date())}, {at:%H:%M}"


def _day(day: date, today: date) -> str:
    return f"{day.day} {day:%b}" if day.year == today.year else f"{day.day} {day:%b %Y}"
