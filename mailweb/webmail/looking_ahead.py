"""Domains of people in the address books, looked up before anybody writes to them again.

An MTA-STS policy protects from the second message on: the first one is when it is fetched, and
whoever keeps it from us then has it ignored (RFC 8461 §10.2). Fetched on another day, and
refreshed since, it is in force when the message comes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from accounts import selectors as accounts
from delivery import selectors as delivery
from mailweb.lib import addresses
from mailweb.lib.addresses import InvalidAddressError
from mailweb.webmail.models import Correspondent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

MOST_AT_A_TIME: Final = 20
"""With the task every six minutes, 200 domains an hour: nobody's name server notices."""

LOOKED_UP_AGAIN_AFTER: Final = timedelta(days=7)
_MOST_PEOPLE: Final = 5000


def domains_due(*, now: datetime) -> list[str]:
    """Return domains nobody asked about lately, those of the most recent correspondents first."""
    people = Correspondent.objects.filter(user__is_active=True).order_by("-last_at")
    domains = dict.fromkeys(_domains(people.values_list("address", flat=True)[:_MOST_PEOPLE]))
    known = delivery.looked_up_since(domains, since=now - LOOKED_UP_AGAIN_AFTER)
    ours = accounts.local_domains(domains)
    return [domain for domain in domains if domain not in known | ours][:MOST_AT_A_TIME]


def _domains(found: Iterable[str]) -> Iterable[str]:
    for text in found:
        try:
            yield addresses.parse(text).domain_ascii
        except InvalidAddressError:
            continue
