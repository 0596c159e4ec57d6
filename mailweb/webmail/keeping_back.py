"""What would keep copies of a draft here: suppressed addresses, and rules of the operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from delivery import holding, suppressions
from mailweb.webmail.people import joined

if TYPE_CHECKING:
    from datetime import datetime

    from delivery.models import HoldRule
    from mailweb.webmail.models import Draft
    from mailweb.webmail.recipients import Recipients


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """A recipient that is on the account's list: its address, and why in a sentence."""

    address: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBack:
    """Copies that would not be sent, and sentences about those that would be held."""

    suppressed: tuple[Suppressed, ...] = ()
    held: tuple[str, ...] = ()


def kept_back(draft: Draft, recipients: Recipients, *, now: datetime) -> KeptBack:
    """Return what would keep copies here if Send were pressed now; two queries."""
    return KeptBack(
        suppressed=suppressed(draft, recipients, now=now), held=_held(draft, recipients, now)
    )


def suppressed(draft: Draft, recipients: Recipients, *, now: datetime) -> tuple[Suppressed, ...]:
    """Return the recipients that are on the account's list of suppressed addresses."""
    specs = [copy.spec for copy in recipients.copies]
    found = suppressions.among(draft.user_id, specs, now=now)
    return tuple(
        Suppressed(address=spec, sentence=suppressions.sentence(entry, now=now))
        for spec, entry in found.items()
    )


def _held(draft: Draft, recipients: Recipients, now: datetime) -> tuple[str, ...]:
    rules = list(holding.in_force(now)) if recipients.copies else []
    if not rules:
        return ()
    kept: dict[HoldRule, list[str]] = {}
    for copy in recipients.copies:
        rule = holding.holding(
            rules, account=draft.user_id, mail_from=draft.sender, domain=copy.domain_ascii
        )
        if rule is not None:
            kept.setdefault(rule, []).append(copy.shown)
    total = len(recipients.copies)
    return tuple(
        f"{_whose(people, total)} held here until the operator lets it go: {rule.sentence}"
        for rule, people in kept.items()
    )


def _whose(people: list[str], total: int) -> str:
    if len(people) == total:
        return "If you send this now, it is"
    return f"The copy for {joined(people)} is"
