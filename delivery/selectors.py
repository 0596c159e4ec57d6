"""What pages and commands read: bars, outlook, outbox, receipts, attempts. Scoped by owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from delivery import stored
from delivery.models import (
    OPEN_STATES,
    Attempt,
    DomainEvidence,
    DomainLookup,
    Recipient,
    State,
)
from delivery.policy import words
from delivery.policy.bars import Bar, bars_for
from delivery.policy.choice import Case, Choice, Copy, choose
from delivery.policy.facts import DomainFacts
from delivery.policy.modes import BrokenTls, Mode, PledgeKind, SenderPolicy
from delivery.policy.record import DomainRecord
from delivery.policy.verdict import Way
from delivery.policy.words import LedgerRow, WireView
from delivery.services import LOOKUP_GIVES_UP_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainView:
    """A domain as one account knows it."""

    domain: str
    record: DomainRecord | None
    facts: DomainFacts | None
    bars: tuple[Bar, ...]


def domain_views(*, owner_id: int, domains: Iterable[str], now: datetime) -> dict[str, DomainView]:
    """Return what is known of each domain: two queries, however many there are."""
    wanted = list(dict.fromkeys(domains))
    records = {
        row.domain: stored.record_from(row)
        for row in DomainEvidence.objects.filter(owner_id=owner_id, domain__in=wanted)
    }
    lookups = {row.domain: row for row in DomainLookup.objects.filter(domain__in=wanted)}
    return {
        domain: _view(domain, records.get(domain), lookups.get(domain), now) for domain in wanted
    }


def _view(
    domain: str, record: DomainRecord | None, lookup: DomainLookup | None, now: datetime
) -> DomainView:
    facts = stored.facts_from(lookup.facts) if lookup else None
    running = (
        lookup is not None
        and lookup.expires_at is None
        and now - lookup.started_at < LOOKUP_GIVES_UP_AFTER
    )
    bars = bars_for(record, facts, now, checking=running)
    return DomainView(domain=domain, record=record, facts=facts, bars=bars)


def rows_for(*, owner_id: int, domains: Iterable[str], now: datetime) -> dict[str, LedgerRow]:
    """Return each domain's row of bars, ready to be drawn."""
    views = domain_views(owner_id=owner_id, domains=domains, now=now)
    return {domain: row_of(view, now) for domain, view in views.items()}


def row_of(view: DomainView, now: datetime) -> LedgerRow:
    """Return one domain's row of bars."""
    return words.ledger_row(view.domain, view.bars, view.record, view.facts, now)


def ledger_row(*, owner_id: int, domain: str, now: datetime) -> LedgerRow:
    """Return one domain's row of bars."""
    return rows_for(owner_id=owner_id, domains=[domain], now=now)[domain]


def policy_facts(domain: str) -> DomainFacts | None:
    """Return the latest facts about a domain, whoever asked for them."""
    row = DomainLookup.objects.filter(domain=domain).first()
    return stored.facts_from(row.facts) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """A recipient in a draft. `domain` is in A-labels; `by_hand` is a choice for this copy alone."""

    address: str
    domain: str
    by_hand: Mode | None = None
    pledge: PledgeKind | None = None
    is_local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another mode for one copy, in the words of a link."""

    mode: Mode
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyView:
    """What one recipient gets."""

    address: str
    domain: str
    wire: WireView
    tone: str
    sentence: str
    mode: Mode
    is_by_hand: bool
    alternative: Alternative | None
    is_refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A copy that would go with "TLS optional" by rule: Send asks once."""

    address: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceView:
    """How the message will be sent, and why.

    `because` follows the mode's name. `weakest` stands near Send. `conflict` says why a choice
    made by hand can't be met, and is empty when it can.
    """

    mode: Mode
    is_by_hand: bool
    because: str
    weakest: str
    conflict: str
    can_send: bool
    consents: tuple[Consent, ...]
    modes: dict[str, Mode]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Everything compose shows about sending: bars, the choice, and what each copy gets."""

    rows: tuple[LedgerRow, ...]
    copies: tuple[CopyView, ...]
    choice: ChoiceView


def outlook(
    *,
    owner_id: int,
    copies: Sequence[CopyRequest],
    by_hand: Mode | None,
    sender: SenderPolicy,
    on_broken_tls: BrokenTls,
    is_list_reply: bool,
    now: datetime,
) -> Outlook:
    """Return what would happen if Send were pressed now."""
    views = domain_views(owner_id=owner_id, domains=(copy.domain for copy in copies), now=now)
    choice = choose(
        tuple(_case(copy, views[copy.domain]) for copy in copies),
        by_hand=by_hand,
        sender=sender,
        on_broken_tls=on_broken_tls,
        is_list_reply=is_list_reply,
        now=now,
    )
    local = {copy.domain for copy in copies if copy.is_local}
    rows = tuple(
        replace(row_of(view, now), is_local=domain in local) for domain, view in views.items()
    )
    return Outlook(
        rows=rows,
        copies=tuple(_copy_view(copy) for copy in choice.copies),
        choice=_choice_view(choice),
    )


def _case(copy: CopyRequest, view: DomainView) -> Case:
    return Case(
        address=copy.address,
        domain=copy.domain,
        facts=view.facts,
        record=view.record,
        by_hand=copy.by_hand,
        pledge=copy.pledge,
        is_local=copy.is_local,
    )


def _copy_view(copy: Copy) -> CopyView:
    way = copy.forecast.way
    return CopyView(
        address=copy.case.address,
        domain=copy.case.domain,
        wire=words.WIRES[way],
        tone=words.TONES[way],
        sentence=copy.forecast.sentence,
        mode=copy.mode,
        is_by_hand=copy.case.by_hand is not None,
        alternative=_alternative(copy),
        is_refused=way is Way.NOT_SENT,
    )


def _alternative(copy: Copy) -> Alternative | None:
    """Return the one other mode worth offering for this copy."""
    way = copy.forecast.way
    if copy.case.is_local:
        return None
    if copy.case.by_hand is not None:
        return Alternative(mode=Mode.DEFAULT, words="Back to the message’s choice")
    if way is Way.PLAIN:
        return Alternative(mode=Mode.VERIFIED, words="Do not send this copy in the clear")
    if way is Way.NOT_SENT and not copy.forecast.is_final and copy.mode is not Mode.OPTIONAL:
        return Alternative(mode=Mode.OPTIONAL, words="Send this copy with TLS optional")
    if way is Way.NOT_SENT and copy.mode in (Mode.REQUIRETLS, Mode.VERIFIED):
        return Alternative(mode=Mode.DEFAULT, words="Use Default for this copy")
    if way is Way.VERIFIED and copy.mode is Mode.DEFAULT:
        return Alternative(mode=Mode.REQUIRETLS, words="Use REQUIRETLS for this copy")
    if way is Way.TLS and copy.mode is Mode.DEFAULT:
        return Alternative(mode=Mode.VERIFIED, words="Insist on verified TLS for this copy")
    return None


def _choice_view(choice: Choice) -> ChoiceView:
    refused = [copy for copy in choice.copies if copy.forecast.way is Way.NOT_SENT]
    return ChoiceView(
        mode=choice.mode,
        is_by_hand=choice.is_by_hand,
        because=choice.because,
        weakest=weakest_sentence(choice.copies),
        conflict=_conflict(choice, refused),
        can_send=len(refused) < len(choice.copies),
        consents=tuple(
            Consent(
                address=copy.case.address,
                sentence=f"{copy.case.domain} can’t keep its own TLS policy now. Its copy would go "
                "with TLS optional: encrypted if possible, readable on the way if not.",
            )
            for copy in choice.copies
            if copy.needs_consent
        ),
        modes={copy.case.address: copy.mode for copy in choice.copies},
    )


def _conflict(choice: Choice, refused: list[Copy]) -> str:
    """Return why a choice by hand can't be met."""
    by_hand = [copy for copy in refused if choice.is_by_hand or copy.case.by_hand is not None]
    if not by_hand:
        return ""
    first = by_hand[0]
    others = len(choice.copies) - len(by_hand)
    rest = (
        "" if others == 0 else " The other one can." if others == 1 else f" The other {others} can."
    )
    return f"{first.forecast.sentence}{rest}"


_WEAKEST = (
    (Way.NOT_SENT, "{n} can’t be sent like this."),
    (Way.PLAIN, "{n} in plain text."),
    (Way.UNKNOWN, "For {n}, how it travels is not known yet."),
    (Way.TLS, "{n} over TLS that is not verified."),
)


def weakest_sentence(copies: Sequence[Copy]) -> str:
    """Return the sentence about the weakest outcome, to stand near Send."""
    ways = [copy.forecast.way for copy in copies]
    for way, sentence in _WEAKEST:
        number = ways.count(way)
        if number:
            goes = way in (Way.PLAIN, Way.TLS)
            return sentence.format(n=_copies(number, len(ways), goes=goes))
    if not ways or set(ways) == {Way.LOCAL}:
        return "Nothing leaves this server." if ways else ""
    return "It goes over verified TLS." if len(ways) == 1 else "Every copy goes over verified TLS."


def _copies(number: int, total: int, *, goes: bool) -> str:
    if total == 1:
        return "It goes" if goes else "it"
    counted = "One copy" if number == 1 else f"{number} copies"
    return f"{counted} {'goes' if number == 1 else 'go'}" if goes else counted.lower()


def domains_of(
    *, owner_id: int, search: str = "", order: str = "-last_seen_at"
) -> QuerySet[DomainEvidence]:
    """Return the account's recipient domains."""
    rows = DomainEvidence.objects.filter(owner_id=owner_id)
    if search:
        rows = rows.filter(domain__icontains=search)
    return rows.order_by(order, "domain")


def domain_attempts(*, owner_id: int, domain: str, limit: int) -> list[Attempt]:
    """Return the account's latest attempts at a domain, newest first."""
    rows = Attempt.objects.filter(owner_id=owner_id, domain=domain).select_related("message")
    return list(rows[:limit])


def attempts(
    *,
    owner_id: int | None = None,
    domain: str = "",
    host: str = "",
    since: datetime | None = None,
    failed: bool = False,
    limit: int = 100,
) -> QuerySet[Attempt]:
    """Return the ledger, newest first, for operators; every given condition must hold."""
    rows = Attempt.objects.select_related("owner", "message")
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    if domain:
        rows = rows.filter(domain=domain)
    if host:
        rows = rows.filter(mx=host)
    if since is not None:
        rows = rows.filter(at__gte=since)
    if failed:
        rows = rows.exclude(outcome__in=("delivered", "probed"))
    return rows[:limit]


def outbox_counts(owner_id: int) -> tuple[int, int]:
    """Return how many messages are not finished, and how many need their sender."""
    of_owner = Recipient.objects.filter(message__owner_id=owner_id)
    found = of_owner.aggregate(
        open=Count("message", filter=Q(state__in=OPEN_STATES) | _NEEDS, distinct=True),
        needs=Count("message", filter=_NEEDS, distinct=True),
    )
    return found["open"], found["needs"]


_NEEDS = Q(state=State.HELD) | Q(state=State.FAILED, is_dismissed=False)
