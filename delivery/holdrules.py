"""Hold rules as operators make and remove them, and as time ends them.

A rule holds what is queued now and what comes later. When it goes, what only this rule held
leaves as it would have: at once, or when it was scheduled. Time spent held costs no lifetime, and
whether a copy still travels as it was promised is worked out again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from delivery import audit, holding, services, tasks
from delivery.models import HoldKind, HoldRule, Recipient, State
from delivery.policy.promise import IfWorse
from mailweb.lib.addresses import domain_to_ascii
from mailweb.lib.errors import UserError
from mailweb.lib.queue import enqueue

if TYPE_CHECKING:
    from accounts.models import User
    from delivery.audit import Actor


class EmptyRuleError(UserError):
    """Name an account, a sender domain or a recipient domain, or say that all mail is meant."""


class ExpiredRuleError(UserError):
    """The rule would be over already. Choose a later time."""


class NoRuleError(UserError):
    """There is no such hold rule."""


class DomainRuleError(UserError):
    """This rule stands for a domain that is switched off: switch the domain on instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRule:
    """What to hold; conditions that are given must all be met. `everything` says that none is meant."""

    account: User | None = None
    sender_domain: str = ""
    recipient_domain: str = ""
    reason: str = ""
    expires_at: datetime | None = None
    everything: bool = False
    kind: HoldKind = HoldKind.OPERATOR


def build(new: NewRule, *, now: datetime) -> HoldRule:
    """Return the rule, checked and not saved.

    Raises:
        EmptyRuleError: it has no condition, and nothing says that all mail is meant.
        ExpiredRuleError: it ends before it begins.
        InvalidAddressError: a domain is none.
    """
    sender, recipient = (
        domain_to_ascii(name.strip().removeprefix("@")) if name.strip() else ""
        for name in (new.sender_domain, new.recipient_domain)
    )
    is_empty = new.account is None and not sender and not recipient
    if is_empty and not new.everything:
        raise EmptyRuleError
    if new.expires_at is not None and new.expires_at <= now:
        raise ExpiredRuleError(field="expires_at")
    return HoldRule(
        account=new.account,
        sender_domain=sender,
        recipient_domain=recipient,
        is_for_all=is_empty,
        kind=new.kind,
        reason=" ".join(new.reason.split())[:300],
        created_at=now,
        expires_at=new.expires_at,
    )


def preview(new: NewRule, *, now: datetime) -> int:
    """Return how many copies in the queue `add` would hold; it raises what `add` raises."""
    return holding.holdable(build(new, now=now)).count()


def add(new: NewRule, *, actor: Actor, now: datetime) -> tuple[HoldRule, int]:
    """Put a rule in force, and hold what is in the queue; return it and how many copies it holds.

    What is being sent at this moment is held as soon as it is put off. Also copies that somebody
    let go before are held: the newest word counts.

    Raises:
        EmptyRuleError, ExpiredRuleError, InvalidAddressError: as `build` does.
    """
    rule = build(new, now=now)
    rule.created_by = actor.name[:320]
    with transaction.atomic():
        holding.keep_rules_to_oneself()
        rule.save()
        touched = holding.hold(rule, holding.holdable(rule), now=now)
        held = Recipient.objects.filter(held_by=rule, state=State.HELD).count()
        services.tell_owners(touched)
        _write_down("hold rule added", rule, actor, held, now)
    return rule, held


def remove(rule: HoldRule, *, actor: Actor, now: datetime) -> int:
    """Take a rule back, and let go what only this one held; return how many copies.

    Raises:
        DomainRuleError: it goes with a domain that is switched off.
    """
    if rule.kind == HoldKind.DOMAIN_OFF:
        raise DomainRuleError
    return _end(rule, "hold rule removed", actor=actor, now=now)


def stop_domain(name: str, *, reason: str, actor: Actor, now: datetime) -> int:
    """Hold everything sent from a domain that is switched off; return how many copies."""
    new = NewRule(sender_domain=name, reason=reason, kind=HoldKind.DOMAIN_OFF)
    return add(new, actor=actor, now=now)[1]


def resume_domain(name: str, *, actor: Actor, now: datetime) -> int:
    """Let go what a switched-off domain held; return how many copies."""
    rules = HoldRule.objects.filter(sender_domain=name, kind=HoldKind.DOMAIN_OFF)
    return sum(_end(rule, "hold rule removed", actor=actor, now=now) for rule in rules)


def expire(*, now: datetime) -> int:
    """End the rules whose time is over; return how many copies leave."""
    clock = audit.Actor(name="the clock")
    over = HoldRule.objects.filter(expires_at__lte=now)
    return sum(_end(rule, "hold rule expired", actor=clock, now=now) for rule in over)


def enforce(*, now: datetime) -> int:
    """Hold what slipped by, such as copies that were being sent when their rule was made.

    One query where there is no rule.
    """
    with transaction.atomic():
        touched = holding.catch(Q(), now=now)
        if touched:
            services.tell_owners(touched)
    return len(touched)


@transaction.atomic
def _end(rule: HoldRule, what: str, *, actor: Actor, now: datetime) -> int:
    holding.keep_rules_to_oneself()
    found = HoldRule.objects.select_for_update().filter(pk=rule.pk).first()
    if found is None:
        return 0
    held = Recipient.objects.filter(held_by=found, state=State.HELD)
    for other in holding.in_force(now).exclude(pk=found.pk):
        keys = list(held.filter(holding.matching(other)).values_list("pk", flat=True))
        held.filter(pk__in=keys).update(held_by=other, hold_reason=other.sentence)
    released = _let_go(found, now)
    _write_down(what, found, actor, released, now)
    found.delete()
    return released


def _let_go(rule: HoldRule, now: datetime) -> int:
    """Give the copies of a rule back to the queue, as they were, with their lifetime before them."""
    held = Recipient.objects.filter(held_by=rule, state=State.HELD)
    messages = set(held.values_list("message_id", flat=True))
    if not messages:
        return 0
    is_later = Q(next_attempt_at__gt=now)
    begin_now = held.exclude(is_later).values_list("message_id", flat=True)
    services.start_lifetimes(set(begin_now), at=now)
    released = held.update(
        state=Case(
            When(is_later & Q(attempts_made=0), then=Value(State.SCHEDULED)),
            When(is_later, then=Value(State.WAITING)),
            default=Value(State.QUEUED),
        ),
        next_attempt_at=Case(When(is_later, then=F("next_attempt_at")), default=Value(now)),
        if_worse=IfWorse.HOLD,
        held_by=None,
        hold_reason="",
    )
    services.tell_owners(messages)
    enqueue(tasks.drain)
    return released


def _write_down(what: str, rule: HoldRule, actor: Actor, touched: int, now: datetime) -> None:
    entry = audit.Entry(
        action=what, actor=actor, at=now, target=rule.words, touched=touched, reason=rule.reason
    )
    audit.write(entry)
