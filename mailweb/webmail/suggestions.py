"""Who is meant: people written to before, found by what is typed of a name or address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db.models import Q

from delivery import selectors
from mailweb.lib import addresses
from mailweb.lib.addresses import Address, InvalidAddressError
from mailweb.webmail.models import Correspondent

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import User
    from delivery.policy.words import LedgerRow

MOST: Final = 8
_CANDIDATES: Final = 60
_SHORTEST: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to suggest, with what is known about their server."""

    typed: str
    name: str
    shown: str
    initial: str
    row: LedgerRow


def for_typed(user: User, typed: str, *, now: datetime) -> tuple[Person, ...]:
    """Return those whose name or address holds every word typed: who is written to often and lately first."""
    words = typed.lower().split()[:5]
    if sum(map(len, words)) < _SHORTEST:
        return ()
    found = Correspondent.objects.filter(user=user)
    for word in words:
        found = found.filter(Q(address__icontains=word) | Q(name__icontains=word))
    ranked = sorted(found[:_CANDIDATES], key=lambda one: _rank(one, words[0], now), reverse=True)
    people = [(one, address) for one in ranked[:MOST] if (address := _address(one))]
    rows = selectors.rows_for(
        owner_id=user.pk, domains=[address.domain_ascii for _, address in people], now=now
    )
    return tuple(
        Person(
            typed=address.text,
            name=address.name or address.shown,
            shown=address.shown,
            initial=(address.name or address.shown)[:1].upper(),
            row=rows[address.domain_ascii],
        )
        for _, address in people
    )


def _rank(one: Correspondent, word: str, now: datetime) -> tuple[bool, float]:
    """Who begins with what is typed comes first; then messages, halved every 30 days."""
    begins = one.address.lower().startswith(word) or any(
        part.startswith(word) for part in one.name.lower().split()
    )
    days = max(0.0, (now - one.last_at).total_seconds() / 86_400)
    return begins, one.messages * 0.5 ** (days / 30)


def _address(one: Correspondent) -> Address | None:
    try:
        address = addresses.parse(one.address)
    except InvalidAddressError:
        return None
    return Address(
        name=one.name,
        local_part=address.local_part,
        domain_ascii=address.domain_ascii,
        domain_unicode=address.domain_unicode,
    )
