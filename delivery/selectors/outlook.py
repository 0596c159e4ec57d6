"""What would happen if Send were pressed now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from delivery.policy import words
from delivery.policy.choice import Case, Choice, Copy, choose
from delivery.policy.modes import BrokenTls, Mode, PledgeKind, SenderPolicy
from delivery.policy.verdict import Forecast, Way
from delivery.policy.words import LedgerRow, WireView
from delivery.selectors.domains import DomainView, domain_views, row_of
from mailweb.lib.numbers import spelled


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
    forecast: Forecast


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
        ahead=view.ahead,
    )


def _copy_view(copy: Copy) -> CopyView:
    way = copy.forecast.way
    return CopyView(
        address=copy.case.address,
        domain=copy.case.domain,
        wire=words.RELAYED if copy.case.ahead and way is Way.UNKNOWN else words.WIRES[way],
        tone=words.TONES[way],
        sentence=copy.forecast.sentence,
        mode=copy.mode,
        is_by_hand=copy.case.by_hand is not None,
        alternative=_alternative(copy),
        is_refused=way is Way.NOT_SENT,
        forecast=copy.forecast,
    )


def _alternative(copy: Copy) -> Alternative | None:
    """Return the one other mode worth offering for this copy."""
    way = copy.forecast.way
    if copy.case.is_local:
        return None
    if copy.case.by_hand is not None:
        return Alternative(mode=Mode.DEFAULT, words="Back to the message’s choice")
    if copy.case.ahead is not None:
        can_be_met = way is Way.NOT_SENT and copy.mode in (Mode.REQUIRETLS, Mode.VERIFIED)
        words_of = Alternative(mode=Mode.DEFAULT, words="Use Default for this copy")
        return words_of if can_be_met else None
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
    others = [copy.forecast.way for copy in choice.copies if copy not in by_hand]
    if not others or {Way.NOT_SENT, Way.UNKNOWN} & set(others):
        return by_hand[0].forecast.sentence
    number = "one" if len(others) == 1 else spelled(len(others))
    return f"{by_hand[0].forecast.sentence} The other {number} can."


_WEAKEST = (
    (Way.NOT_SENT, "{n} can’t be sent like this."),
    (Way.PLAIN, "{n} in plain text."),
    (Way.UNKNOWN, "How {n} travels is not known yet."),
    (Way.TLS, "{n} over TLS that is not verified."),
)


def weakest_sentence(copies: Sequence[Copy]) -> str:
    """Return the sentence about the weakest outcome, to stand near Send."""
    ways = [copy.forecast.way for copy in copies]
    for way, told in _WEAKEST:
        number = ways.count(way)
        if not number:
            continue
        relayed = way is Way.UNKNOWN and all(
            copy.case.ahead for copy in copies if copy.forecast.way is way
        )
        goes = relayed or way in (Way.PLAIN, Way.TLS)
        sentence = (_RELAYED if relayed else told).format(n=_copies(number, len(ways), goes=goes))
        return sentence[:1].upper() + sentence[1:]
    if not ways or set(ways) == {Way.LOCAL}:
        return "Nothing leaves this server." if ways else ""
    return "It goes over verified TLS." if len(ways) == 1 else "Every copy goes over verified TLS."


_RELAYED = "{n} to a relay first; what happens after it is not known here."


def _copies(number: int, total: int, *, goes: bool) -> str:
    if total == 1:
        return "It goes" if goes else "it"
    counted = "One copy" if number == 1 else f"{number} copies"
    return f"{counted} {'goes' if number == 1 else 'go'}" if goes else counted.lower()
