"""Copies that left under rules and pledges of the past while those of today say something else.

A change of settings never touches what was handed over. Where a copy still waits, its sender is
told of the difference, and may have it go by today's rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from accounts import selectors as accounts
from delivery import releasing
from delivery.models import DUE_STATES, Recipient, State
from delivery.policy.modes import PledgeKind
from mailweb.lib.addresses import domain_to_unicode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from accounts.models import User

_OPEN = (*DUE_STATES, State.HELD)


def differences(user: User, copies: Iterable[Recipient]) -> dict[int, str]:
    """Return what has changed since each copy was handed over, by its key: two queries in all."""
    found = [copy for copy in copies if copy.state in _OPEN]
    if not found:
        return {}
    pledges = accounts.pledges_for(user, {copy.address for copy in found})
    today = accounts.preferences_of(user).policy
    told: dict[int, str] = {}
    for copy in found:
        then, pledge = copy.order, pledges.get(copy.address)
        if then.pledge != pledge:
            told[copy.pk] = _told_of(pledge, domain_to_unicode(copy.domain))
        elif (then.sender.allows_plain_text, then.sender.accepts_pkix) != (
            today.allows_plain_text,
            today.accepts_pkix,
        ):
            told[copy.pk] = "Your rules for sending have changed since you sent this."
    return told


def _told_of(pledge: PledgeKind | None, domain: str) -> str:
    if pledge is PledgeKind.PLAIN:
        return f"You have pledged since that plain text is fine for {domain}."
    if pledge is PledgeKind.VERIFIED:
        return f"You have pledged since to write to {domain} never without verified TLS."
    return f"You have withdrawn your pledge about {domain} since."


def apply(copy: Recipient, *, user: User, now: datetime) -> bool:
    """Put a copy that has not left under the rules of today; False if it has left meanwhile."""
    done = releasing.apply_rules(
        message=copy.message,
        pledges=accounts.pledges_for(user, [copy.address]),
        policy=accounts.preferences_of(user).policy,
        now=now,
        copies=Q(pk=copy.pk),
    )
    return bool(done)
