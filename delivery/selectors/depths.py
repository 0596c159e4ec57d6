"""How much waits, by state and by why: one grouped query over what is not settled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Q

from delivery.models import OPEN_STATES, Recipient, State
from delivery.policy.why import NOT_TRIED, key_of, words_for

UNTOLD = (State.HELD, State.SCHEDULED)
"""States of their own making: what the last server said is not why these wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Copies that wait for the same kind of reason."""

    key: str
    words: str
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Depths:
    """What is not settled."""

    total: int
    states: tuple[tuple[str, int], ...]
    kinds: tuple[Kind, ...]
    """Of the copies that are to be tried again, the most frequent first."""


def queue_depths() -> Depths:
    """Return how many copies there are in each state, and why those wait that were tried."""
    rows = (
        Recipient.objects.filter(state__in=OPEN_STATES)
        .order_by()
        .values_list("state", "reason", "enhanced", "code")
        .annotate(depth=Count("id"))
    )
    states: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for state, reason, enhanced, code, depth in rows:
        states[state] += depth
        key = key_of(reason=reason, enhanced=enhanced, code=code)
        if state not in UNTOLD and key != NOT_TRIED:
            kinds[key] += depth
    return Depths(
        total=sum(states.values()),
        states=tuple((state.value, states[state]) for state in OPEN_STATES if states[state]),
        kinds=tuple(
            Kind(key=key, words=words_for(key), depth=depth) for key, depth in kinds.most_common()
        ),
    )


def waiting_because(key: str) -> Q:
    """Return the condition that a copy waits for a reason of this kind."""
    waits = ~Q(state__in=UNTOLD)
    if key == NOT_TRIED:
        return waits & Q(reason="", enhanced="", code=None)
    if key.isdecimal():
        return waits & Q(reason="", enhanced="", code=int(key[:6]))
    if key.count(".") == 2:
        return waits & Q(reason="", enhanced=key)
    return waits & Q(reason=key)
