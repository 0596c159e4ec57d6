"""Which TLS mode a message is sent with, worked out again whenever anything changes.

A choice made by hand is never lowered or replaced. If it can't be met, the choice says so
and offers what can.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from delivery.policy.facts import DomainFacts, StsMode, TlsaState
from delivery.policy.first_hop import Ahead, foresee_by
from delivery.policy.memory import known
from delivery.policy.modes import BrokenTls, Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.mtasts import matches_any
from delivery.policy.record import DomainRecord, Mechanism, Seen
from delivery.policy.verdict import Forecast, Way
from mailweb.lib.numbers import spelled

MODE_NAMES = {
    Mode.DEFAULT: "Default",
    Mode.VERIFIED: "Verified",
    Mode.REQUIRETLS: "REQUIRETLS",
    Mode.OPTIONAL: "TLS optional",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One recipient with everything known about its domain."""

    address: str
    domain: str
    facts: DomainFacts | None
    record: DomainRecord | None
    by_hand: Mode | None = None
    """A choice for this copy alone."""

    pledge: PledgeKind | None = None
    is_local: bool = False
    ahead: Ahead | None = None
    """What its route leads to, if not to the recipient's own servers."""

    def foresee(self, order: Order, now: datetime) -> Forecast:
        """Return how the copy would travel under `order`."""
        return foresee_by(self.ahead, order, self.facts, self.record, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One recipient's copy as it would be sent."""

    case: Case
    mode: Mode
    forecast: Forecast
    needs_consent: bool = False
    """The mode was lowered by rule, and the account wants to be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The mode of the whole message and of every copy, and one sentence why.

    `because` starts with that word; it is shown after the mode's name.
    """

    mode: Mode
    is_by_hand: bool
    because: str
    copies: tuple[Copy, ...]


def choose(
    cases: tuple[Case, ...],
    *,
    by_hand: Mode | None,
    sender: SenderPolicy,
    on_broken_tls: BrokenTls,
    is_list_reply: bool,
    now: datetime,
) -> Choice:
    """Choose for a message: by hand if the sender did, else REQUIRETLS where all can, else default.

    A recipient whose published policy is known to be broken is offered "TLS optional" for its
    copy alone: an attacker can cause that too, so it is asked for unless the account says so.
    """
    mode, because = _for_message(
        cases, by_hand, sender=sender, is_list_reply=is_list_reply, now=now
    )
    copies = tuple(
        _copy(case, mode, by_hand=by_hand, sender=sender, on_broken_tls=on_broken_tls, now=now)
        for case in cases
    )
    lowered = [copy.case.domain for copy in copies if _lowered_by_rule(copy, by_hand)]
    if lowered and by_hand is None:
        because = (
            f"because {lowered[0]} can't keep its own TLS policy now; its copy alone goes without."
        )
    return Choice(mode=mode, is_by_hand=by_hand is not None, because=because, copies=copies)


def _for_message(
    cases: tuple[Case, ...],
    by_hand: Mode | None,
    *,
    sender: SenderPolicy,
    is_list_reply: bool,
    now: datetime,
) -> tuple[Mode, str]:
    """The mode for all copies, before exceptions."""
    if by_hand is not None:
        return by_hand, "because you chose it."
    remote = [case for case in cases if not case.is_local]
    if not cases:
        return Mode.DEFAULT, "until there is a recipient."
    if not remote:
        return Mode.DEFAULT, "because no copy leaves this server."
    if is_list_reply:
        return Mode.DEFAULT, "because a mailing list can't pass REQUIRETLS on."
    for case in remote:
        obstacle = _detour(case) or _obstacle(case, sender, now)
        if obstacle:
            return Mode.DEFAULT, f"because {obstacle}{_needs(len(remote))}"
    return Mode.REQUIRETLS, f"because {_all_can(remote)}."


def _needs(recipients: int) -> str:
    if recipients == 1:
        return "."
    return f". REQUIRETLS needs {'both' if recipients == 2 else f'all {spelled(recipients)}'}."


def _detour(case: Case) -> str:
    """What a relay promises is only asked for by hand: what its servers announce says nothing."""
    return f"mail for {case.domain} does not go straight to its server" if case.ahead else ""


def _obstacle(case: Case, sender: SenderPolicy, now: datetime) -> str:
    """Return why REQUIRETLS can't be chosen for this recipient, or an empty string."""
    record = case.record or DomainRecord(domain=case.domain)
    order = Order(mode=Mode.REQUIRETLS, pledge=case.pledge, sender=sender)
    forecast = case.foresee(order, now)
    starttls, requiretls = known(record.starttls, now), known(record.requiretls, now)
    if starttls.state is Seen.NO and not starttls.hits:
        return f"{case.domain} did not offer TLS in {_of(starttls.sessions)}"
    if starttls.state is Seen.NO:
        return f"{case.domain} did not offer TLS in its last session"
    if starttls.state is Seen.FAILED:
        return f"{case.domain} offers TLS, and in its last session it did not come up"
    if _is_broken(case, forecast):
        return f"{case.domain} could not keep its own TLS policy in the last session"
    if requiretls.state is Seen.UNKNOWN:
        return f"nothing is known yet about what {case.domain} announces"
    if requiretls.state is not Seen.YES:
        return f"{case.domain} did not announce REQUIRETLS in its last session"
    if case.facts is None or not case.facts.is_complete:
        return f"the look-ups of {case.domain} are still running"
    if not _publishes_everywhere(case.facts):
        return (
            f"{case.domain} publishes neither DANE for every server nor an enforced MTA-STS policy"
        )
    if forecast.way is Way.NOT_SENT:
        return f"{case.domain} did not come up to it in the last session with its server"
    return ""


def _of(sessions: int) -> str:
    return "its only session" if sessions == 1 else f"any of {sessions} sessions"


def _has_dane(facts: DomainFacts) -> bool:
    return bool(facts.hosts) and all(host.tlsa_state is TlsaState.USABLE for host in facts.hosts)


def _has_sts(facts: DomainFacts) -> bool:
    return (
        facts.sts.mode is StsMode.ENFORCE
        and bool(facts.hosts)
        and all(matches_any(host.name, facts.sts.mx) for host in facts.hosts)
    )


def _publishes_everywhere(facts: DomainFacts) -> bool:
    """Whether every host can be proven, so that REQUIRETLS can succeed at any of them."""
    return _has_dane(facts) or _has_sts(facts)


def _all_can(cases: list[Case]) -> str:
    domains = {case.domain: case for case in cases}
    dane = all(case.facts is not None and _has_dane(case.facts) for case in cases)
    published = "DANE" if dane else "a policy that proves them"
    if len(domains) == 1:
        domain = next(iter(domains))
        return (
            f"{domain} announced it and publishes {'DANE' if dane else 'a policy that proves it'}"
        )
    servers = "both servers" if len(domains) == 2 else f"all {spelled(len(domains))} servers"
    return f"{servers} announced it and publish {published}"


def _copy(
    case: Case,
    mode: Mode,
    *,
    by_hand: Mode | None,
    sender: SenderPolicy,
    on_broken_tls: BrokenTls,
    now: datetime,
) -> Copy:
    """Settle one copy: its own choice by hand, the rule for broken policies, or the message's mode."""
    if case.is_local:
        return Copy(
            case=case,
            mode=case.by_hand or mode,
            forecast=Forecast(way=Way.LOCAL, sentence="Filed here; it does not leave this server."),
        )
    order = Order(mode=case.by_hand or mode, pledge=case.pledge, sender=sender)
    forecast = case.foresee(order, now)
    chosen = case.by_hand is not None or by_hand is not None
    if not chosen and _is_broken(case, forecast) and _may_relax(case, on_broken_tls):
        relaxed = replace(order, mode=Mode.OPTIONAL)
        return Copy(
            case=case,
            mode=Mode.OPTIONAL,
            forecast=case.foresee(relaxed, now),
            needs_consent=on_broken_tls is BrokenTls.ASK,
        )
    return Copy(case=case, mode=order.effective_mode, forecast=forecast)


_PUBLISHED = (Mechanism.DANE, Mechanism.MTA_STS)


def _is_broken(case: Case, forecast: Forecast) -> bool:
    """Whether the domain publishes a policy that its own servers failed, with no success since.

    Look-ups alone do not tell: DNS that is silent for a moment breaks nothing. TLS that merely
    was there before is no policy of theirs, and never set aside by rule.
    """
    was_stopped = case.record is not None and case.record.stopped_by in _PUBLISHED
    return forecast.stopped_by in _PUBLISHED and (was_stopped or forecast.is_from_session)


def _may_relax(case: Case, on_broken_tls: BrokenTls) -> bool:
    return on_broken_tls is not BrokenTls.NEVER and case.pledge is not PledgeKind.VERIFIED


def _lowered_by_rule(copy: Copy, by_hand: Mode | None) -> bool:
    return copy.mode is Mode.OPTIONAL and copy.case.by_hand is None and by_hand is None
