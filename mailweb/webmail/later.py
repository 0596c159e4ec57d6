"""When a message leaves later: the times that are offered, and the one that was typed. Pure.

`now` is in the reader's own zone, and so is what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from delivery.policy.retry import FURTHEST_RELEASE
from mailweb.lib.errors import UserError

MORNING: Final = time(8, 0)


class ImpossibleTimeError(UserError):
    """Choose a day and a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A time that can be had by one press."""

    key: str
    words: str
    at: datetime


def offers(now: datetime) -> tuple[Offer, ...]:
    """Return the times worth offering: soon, tomorrow morning, Monday morning."""
    tomorrow = _morning(now, 1)
    monday = _morning(now, 7 - now.weekday())
    found = [
        Offer(key="hour", words="In one hour", at=now + timedelta(hours=1)),
        Offer(key="tomorrow", words="Tomorrow at 08:00", at=tomorrow),
    ]
    if monday != tomorrow:
        found.append(Offer(key="monday", words="Monday at 08:00", at=monday))
    return tuple(found)


def chosen(key: str, typed: str, now: datetime) -> datetime | None:
    """Return the time that was chosen; None where nothing was, so that it leaves at once.

    Raises:
        ImpossibleTimeError: what was typed is no time, has passed, or is too far away.
    """
    if not key:
        return None
    for offer in offers(now):
        if offer.key == key:
            return offer.at
    return _checked(_read(typed, now), now)


def time_for(key: str, typed: str, now: datetime) -> datetime:
    """Return the time that was chosen or typed, where there has to be one.

    Raises:
        ImpossibleTimeError: there is none, it has passed, or it is too far away.
    """
    return chosen(key, typed, now) or _checked(_read(typed, now), now)


def in_words(at: datetime, now: datetime) -> str:
    """Return a time to come in words: today at 10:42, tomorrow at 08:00, on 3 March at 08:00."""
    days = (at.date() - now.date()).days
    if days <= 1:
        return f"{'tomorrow' if days else 'today'} at {at:%H:%M}"
    year = "" if at.year == now.year else f" {at.year}"
    return f"on {at:%A}, {at.day} {at:%B}{year}, at {at:%H:%M}"


def _morning(now: datetime, days: int) -> datetime:
    day = now.date() + timedelta(days=days)
    return datetime.combine(day, MORNING, tzinfo=now.tzinfo)


def _read(typed: str, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise ImpossibleTimeError from None
    return at if at.tzinfo else at.replace(tzinfo=now.tzinfo)


def _checked(at: datetime, now: datetime) -> datetime:
    if at <= now:
        raise ImpossibleTimeError("That time has passed. Choose a later one.")
    if at > now + FURTHEST_RELEASE:
        raise ImpossibleTimeError(
            f"That is more than {FURTHEST_RELEASE.days} days away. Choose an earlier time."
        )
    return at
