"""Moments in the words people use for them; days and hours are those of the reader's zone."""

from __future__ import annotations

from datetime import datetime, timedelta


def ago(at: datetime | None, now: datetime) -> str:
    """Return how long ago `at` was, as people say it: just now, 3 hours ago, yesterday, 14 May.

    Days and hours are those of the zone that `now` is in: the reader's.
    """
    if at is None:
        return "never seen"
    at = at.astimezone(now.tzinfo)
    age = now - at
    if age < timedelta(minutes=2):
        return "just now"
    if age < timedelta(hours=1):
        return f"{age.seconds // 60} minutes ago"
    if at.date() == now.date():
        return f"today {at:%H:%M}"
    days = (now.date() - at.date()).days
    if days == 1:
        return "yesterday"
    if days <= 30:
        return f"{days} days ago"
    return day(at, now)


def day(at: datetime, now: datetime) -> str:
    """Return a date; the year only when it is not this one."""
    at = at.astimezone(now.tzinfo)
    return f"{at.day} {at:%B}" if at.year == now.year else f"{at.day} {at:%B %Y}"
