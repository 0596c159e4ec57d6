"""Addresses that an account writes to no more, for now: how they get on the list and off it.

A refusal by the recipient's own server puts an address there (`policy.suppression` says which do),
its owner may add and lift entries, and a delivery to that server forgets all about it; what a
relay says or takes counts for nothing. Whoever claims copies asks here first: what is on the list fails without a session.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from delivery import metrics
from delivery.agent.job import RecipientResult
from delivery.models import OutboundMessage, State, Suppression
from delivery.policy.dates import day
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.suppression import closes_address, key_of, opens_address, time_to_live
from mailweb.lib import addresses
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from accounts.models import User
    from delivery.copies import Copy
    from delivery.rule_models import SuppressionQuerySet

logger = logging.getLogger(__name__)

MOST_ENTRIES = 5000

Place = tuple[int | None, str]
"""Whose list, and the key of the address."""


class TooManySuppressedError(UserError):
    """There are 5,000 suppressed addresses already. Lift some first."""


class NotSuppressedError(UserError):
    """This address is not on the list."""


def refused(copies: Iterable[Copy], *, now: datetime) -> list[RecipientResult]:
    """Return the outcome of those claimed copies whose address is on their sender's list.

    One query; none if no sender among them ever had anything on it.
    """
    asked = {_place(one): one for one in copies if one.has_suppressions}
    if not asked:
        return []
    entries = _entries(asked).in_force(now)
    found: dict[Place, Suppression] = {(entry.owner_id, entry.key): entry for entry in entries}
    ended = [
        RecipientResult(key=one.pk, outcome=_outcome(found[_place(one)], now))
        for one in copies
        if one.has_suppressions and _place(one) in found
    ]
    metrics.SUPPRESSIONS.add("refused", by=len(ended))
    return ended


def _place(copy: Copy) -> Place:
    return copy.owner_id, key_of(copy.address.rpartition("@")[0], copy.domain)


def _entries(places: Collection[Place]) -> SuppressionQuerySet:
    """Return the entries at these places, and perhaps others of the same owners."""
    owners = {owner for owner, _ in places}
    keys = {key for _, key in places}
    return Suppression.objects.filter(owner__in=owners, key__in=keys)


def _outcome(entry: Suppression, now: datetime) -> Outcome:
    """Return how a copy ends that is not even tried."""
    return Outcome(
        result=Result.FAILED,
        scope=Scope.RECIPIENT,
        code=550,
        enhanced=entry.enhanced if entry.enhanced.startswith("5.1.") else "5.1.0",
        public=f"{sentence(entry, now=now)} This copy was not sent.",
    )


def sentence(entry: Suppression, *, now: datetime) -> str:
    """Return why an address is on the list, with its date and the server's words."""
    on = day(entry.since, now)
    if entry.is_manual:
        note = f" You noted: {entry.note}" if entry.note else ""
        return f"You suppressed {entry.address} on {on}.{note}"
    words = " ".join(entry.reply.split())
    said = words if len(words) <= 200 else f"{words[:199]}…"
    return f"The server of {entry.address} refused it on {on}: “{said}”."


def learn(ended: Sequence[tuple[Copy, Outcome]], *, now: datetime) -> None:
    """Draw from the ends of copies what they say about addresses; never fails.

    Called with every batch that is written down, inside its transaction. It touches the database
    only for refusals that close an address, and for deliveries of accounts that have a list.
    """
    closed = [(copy, outcome) for copy, outcome in ended if closes_address(outcome)]
    reached = [
        _place(copy) for copy, outcome in ended if copy.has_suppressions and opens_address(outcome)
    ]
    if not closed and not reached:
        return
    try:
        with transaction.atomic():
            if reached:
                _forget(set(reached))
            # In one order everywhere, so that two workers never wait for each other.
            for copy, outcome in sorted(
                closed, key=lambda pair: (pair[0].owner_id or 0, pair[0].address)
            ):
                _close(copy, outcome, now)
    except Exception:
        logger.exception("suppressed addresses not kept", extra={"copies": len(ended)})


def _forget(reached: set[Place]) -> None:
    rows = _entries(reached).filter(is_manual=False).values_list("pk", "owner_id", "key")
    gone = [pk for pk, owner, key in rows if (owner, key) in reached]
    Suppression.objects.filter(pk__in=gone).delete()


def _close(copy: Copy, outcome: Outcome, now: datetime) -> None:
    """List one address; a refusal while it is listed only renews the words."""
    owner, key = _place(copy)
    if owner is None:
        return
    said = {
        "address": copy.address,
        "code": outcome.code,
        "enhanced": outcome.enhanced,
        "reply": outcome.reply[:4000],
    }
    start = {"since": now, "ends_at": now}
    entries = Suppression.objects.select_for_update()
    entry, _ = entries.get_or_create(owner_id=owner, key=key, defaults={**said, **start})
    is_in_force = entry.ends_at is None or entry.ends_at > now
    if not is_in_force:
        entry.times = min(entry.times + 1, 1000)
        entry.since, entry.ends_at = now, now + time_to_live(entry.times)
        entry.is_manual, entry.note = False, ""
    for name, value in said.items():
        setattr(entry, name, value)
    entry.save()
    if not is_in_force:
        logger.info("address suppressed", extra={"owner": owner, "until": str(entry.ends_at)})
        metrics.SUPPRESSIONS.add("added")


def add(
    *,
    owner: User,
    address: str,
    now: datetime,
    note: str = "",
    for_time: timedelta | None = None,
) -> Suppression:
    """Put an address on the list by hand: for good, or `for_time`.

    Raises:
        InvalidAddressError: it is no address.
        TooManySuppressedError: the list is full.
    """
    found = addresses.parse(address)
    with transaction.atomic():
        if Suppression.objects.filter(owner=owner).in_force(now).count() >= MOST_ENTRIES:
            raise TooManySuppressedError
        entry, _ = Suppression.objects.update_or_create(
            owner=owner,
            key=key_in(found.spec),
            defaults={
                "address": found.spec,
                "is_manual": True,
                "note": " ".join(note.split())[:300],
                "since": now,
                "ends_at": None if for_time is None else now + for_time,
                "code": None,
                "enhanced": "",
                "reply": "",
            },
        )
    metrics.SUPPRESSIONS.add("added")
    return entry


def lift(*, owner_id: int | None, address: str, now: datetime) -> bool:
    """Take an address off the list; False if it is not on it.

    How often it was refused is remembered, so that the next refusal counts for longer.
    """
    if owner_id is None:
        return False
    found = Suppression.objects.filter(owner=owner_id, key=key_in(address)).in_force(now)
    with transaction.atomic():
        by_hand = found.filter(times=0).delete()[0]
        is_lifted = bool(found.update(ends_at=now, is_manual=False, note="") or by_hand)
    metrics.SUPPRESSIONS.add("lifted", by=is_lifted)
    return is_lifted


def lift_failed(*, message: OutboundMessage, copies: Q, now: datetime) -> None:
    """Take the addresses of failed copies off the list: their sender wants them tried again."""
    failed = message.recipients.filter(copies, state=State.FAILED)
    for address in failed.values_list("address", flat=True):
        lift(owner_id=message.owner_id, address=address, now=now)


def key_in(address: str) -> str:
    """Return the key of an address as it stands in the queue."""
    local_part, _, domain = address.rpartition("@")
    try:
        return key_of(local_part, addresses.domain_to_ascii(domain))
    except addresses.InvalidAddressError:
        return key_of(local_part, domain)


def listed(owner_id: int, *, now: datetime) -> list[Suppression]:
    """Return the account's entries that are in force, the latest first."""
    return list(Suppression.objects.filter(owner=owner_id).in_force(now)[:MOST_ENTRIES])


def among(owner_id: int, specs: Iterable[str], *, now: datetime) -> dict[str, Suppression]:
    """Return those of these addresses that are on the account's list, by the address as given."""
    keys = {spec: key_in(spec) for spec in specs}
    if not keys:
        return {}
    rows = Suppression.objects.filter(owner=owner_id, key__in=set(keys.values())).in_force(now)
    found = {entry.key: entry for entry in rows}
    return {spec: found[key] for spec, key in keys.items() if key in found}
