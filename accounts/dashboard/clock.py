"""Times and numbers as the dashboard shows them."""

from __future__ import annotations

from datetime import datetime

from delivery.policy.dates import day

_SMALL = (
    *("None", "One", "Two", "Three", "Four", "Five", "Six"),
    *("Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"),
)


def in_words(number: int) -> str:
    """Return a number as it starts a sentence."""
    return _SMALL[number] if number < len(_SMALL) else str(number)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 message, 3 messages."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def short(at: datetime | None, now: datetime) -> str:
    """Return a time as narrow as it can be told: 10:12, Mon, 14 Nov, 3 Nov 2024."""
    if at is None:
        return "never"
    days = (now.date() - at.date()).days
    if days <= 0:
        return f"{at:%H:%M}"
    if days < 7:
        return f"{at:%a}"
    return f"{at.day} {at:%b}" if at.year == now.year else f"{at.day} {at:%b %Y}"


def full(at: datetime, now: datetime) -> str:
    """Return a time for a line of its own: Today 10:12, Yesterday 10:10, 19 Nov 09:02."""
    days = (now.date() - at.date()).days
    if days in (0, 1):
        return f"{'Yesterday' if days else 'Today'} {at:%H:%M}"
    year = "" if at.year == now.year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {at:%H:%M}"


def within(at: datetime, now: datetime) -> str:
    """Return such a time for the middle of a sentence: today 10:12."""
    said = full(at, now)
    return said.lower() if said.startswith(("Today", "Yesterday")) else said


def since(at: datetime | None, now: datetime) -> str:
    """Return "since …" to follow a statement, or nothing where it is not known."""
    if at is None:
        return ""
    days = (now.date() - at.date()).days
    if days == 0:
        return f"since today {at:%H:%M}"
    return "since yesterday" if days == 1 else f"since {day(at, now)}"
