"""Hold rules at work: catching copies that must stay here.

One condition in SQL decides about new copies and those in the queue alike. A copy remembers in
`held_by` which rule holds it, and keeps in `next_attempt_at` when it would have left.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet

from delivery.models import DUE_STATES, HoldRule, Recipient, State
from delivery.webhooks import events as webhook_events
from mailweb.lib.addresses import domain_to_unicode

AT_ONCE = 2000
"""How many copies one statement changes."""


def in_force(now: datetime) -> QuerySet[HoldRule]:
    """Return the rules that hold mail now, the oldest first."""
    return HoldRule.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now)).order_by("id")


def wait_for_rules() -> None:
    """Let no rule come about between reading the rules and committing new copies.

    On PostgreSQL whoever adds a rule waits until those who are queueing copies have finished, and
    then sees them; on SQLite transactions that write follow each other anyway.
    """
    _lock("SHARE")


def keep_rules_to_oneself() -> None:
    """Wait for those who are queueing copies, before a rule comes or goes; they then wait for it.

    To be called before any row is touched: the other way round, each could wait for the other.
    """
    _lock("SHARE ROW EXCLUSIVE")


def _lock(mode: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE delivery_holdrule IN {mode} MODE")


def matching(rule: HoldRule) -> Q:
    """Return the condition for copies that a rule holds: `HoldRule.matches` in SQL."""
    condition = Q()
    if rule.account_id is not None:
        condition &= Q(owner=rule.account_id)
    if rule.sender_domain:
        spellings = {rule.sender_domain, domain_to_unicode(rule.sender_domain)}
        of_sender = Q()
        for spelling in spellings:
            of_sender |= Q(message__mail_from__iendswith=f"@{spelling}")
        condition &= of_sender
    if rule.recipient_domain:
        condition &= Q(domain=rule.recipient_domain)
    return condition


def holdable(rule: HoldRule, copies: Q | None = None) -> QuerySet[Recipient]:
    """Return the copies that would leave some time, and that the rule wants to stay."""
    return Recipient.objects.filter(matching(rule), copies or Q(), state__in=DUE_STATES)


def hold(rule: HoldRule, copies: QuerySet[Recipient], *, now: datetime) -> set[int]:
    """Hold those of `copies` that are not being sent; return the ids of their messages."""
    found = list(copies.values_list("pk", "message_id"))
    for start in range(0, len(found), AT_ONCE):
        keys = [pk for pk, _ in found[start : start + AT_ONCE]]
        # The state is looked at again: a worker may have taken the copy meanwhile.
        Recipient.objects.filter(pk__in=keys, state__in=DUE_STATES).update(
            state=State.HELD,
            held_by=rule,
            held_at=now,
            hold_reason=rule.sentence,
            passes_holds=False,
        )
        webhook_events.note(keys, now=now)
    return {message for _, message in found}


def catch(copies: Q, *, now: datetime) -> set[int]:
    """Hold those of `copies` that a rule wants to stay; return the ids of their messages.

    Copies that an operator let go in spite of a rule stay free.
    """
    touched: set[int] = set()
    for rule in in_force(now):
        touched |= hold(rule, holdable(rule, copies).filter(passes_holds=False), now=now)
    return touched


def holding(
    rules: Iterable[HoldRule], *, account: int | None, mail_from: str, domain: str
) -> HoldRule | None:
    """Return the rule that would hold a copy like this, if one does."""
    sender = mail_from.rpartition("@")[2].lower()
    return next(
        (
            rule
            for rule in rules
            if rule.matches(account=account, sender_domain=sender, recipient_domain=domain)
        ),
        None,
    )
