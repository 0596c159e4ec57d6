"""The sentence on top of a security page, computed from evidence. Pure: values in, words out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.dashboard.clock import counted, in_words, since
from delivery.policy.dates import ago, day
from delivery.policy.facts import DnsFailure, DomainFacts
from delivery.policy.memory import known, tls_history
from delivery.policy.published import LostPolicy, PolicyKind
from delivery.policy.record import DomainRecord, Mechanism, Seen, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Lede:
    """A sentence, the end of it that is set apart, what follows in small type."""

    text: str
    tail: str = ""
    tone: str = "quiet"
    """How the tail is set apart: bad, warn or quiet."""

    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Travelled:
    """How many copies went which way."""

    verified: int
    plain: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How many recipient domains were seen to do what."""

    domains: int
    verified: int
    never_tls: int
    seen: int


def overview(travelled: Travelled, census: Census) -> str:
    """Return the sentence of the overview: about copies, or about servers while none was sent."""
    if travelled.total:
        return f"{_verified(travelled)} {_plain(travelled.plain)}"
    if not census.seen:
        return "No server has shown anything yet."
    if census.seen == 1:
        what = "seen with verified TLS" if census.verified else "never seen with TLS"
        what = what if census.verified or census.never_tls else "not seen with verified TLS"
        return f"The one server you write to was {what}."
    verb = "was" if census.verified == 1 else "were"
    return (
        f"{in_words(census.verified)} of {census.seen} servers you write to {verb} seen with "
        f"verified TLS. {_never(census.never_tls)}"
    ).strip()


def _verified(travelled: Travelled) -> str:
    total, verified = travelled.total, travelled.verified
    if total == 1:
        return (
            "Your one message travelled over verified TLS."
            if verified
            else "Your one message did not travel over verified TLS."
        )
    if verified == total:
        return f"All of your {total} messages travelled over verified TLS."
    if not verified:
        return f"None of your {total} messages travelled over verified TLS."
    return f"{verified} of your {total} messages travelled over verified TLS."


def _plain(number: int) -> str:
    return f"{in_words(number)} went in plain text."


def _never(number: int) -> str:
    if not number:
        return ""
    return f"{in_words(number)} {'was' if number == 1 else 'were'} never seen with TLS."


def about_domain(
    domain: str,
    record: DomainRecord | None,
    facts: DomainFacts | None,
    now: datetime,
    *,
    last_try: str = "",
) -> Lede:
    """Return the sentence about one domain: what is broken first, then what was seen.

    `last_try` says why the latest try got no session, where none ever came up.
    """
    record = record or DomainRecord(domain=domain)
    return (
        _stopped(domain, record, now)
        or _gone(domain, facts)
        or _lost(domain, record, now)
        or _seen(domain, record, now)
        or _silent(domain, record, last_try)
    )


def _stopped(domain: str, record: DomainRecord, now: datetime) -> Lede | None:
    """What a published policy or a broken handshake keeps from being handed over."""
    if record.stopped_by is Mechanism.NONE:
        return None
    if record.stopped_by is Mechanism.HISTORY:
        return _without_what_was_there(domain, record, now)
    text, more = _STOPS[record.stopped_by]
    return Lede(
        text=text.format(domain=domain),
        tail=f"{since(record.stopped_since, now)}.",
        tone="bad",
        more=f"{more} {_history(record, now)}".strip(),
    )


def _without_what_was_there(domain: str, record: DomainRecord, now: datetime) -> Lede | None:
    """Mail waits because TLS was there before; nothing waits once that is forgotten or back."""
    track = known(record.starttls, now)
    remembered = tls_history(domain, record.starttls, now)
    if remembered is None or track.state is Seen.YES:
        return None
    return Lede(
        text=f"{domain} used to bring up TLS and does not now,",
        tail=f"{since(track.since, now)}.",
        tone="bad",
        more=f"{remembered.told(ago(remembered.last_at, now))}. Mail waits rather than travel in "
        "plain text, because a stranger in between looks the same from here. If plain text is "
        "fine, set a waiting copy to TLS optional in the outbox; a pledge lets later ones go. "
        f"{_history(record, now)}".strip(),
    )


_STOPS = {
    Mechanism.DANE: (
        "{domain} has not matched its own DANE records",
        "Mail that insists on DANE can’t be handed over. The usual cause is a renewed certificate "
        "and a forgotten record; a stranger in between looks the same from here.",
    ),
    Mechanism.MTA_STS: (
        "{domain} has not met its own MTA-STS policy",
        "Mail can’t be handed over while the policy rules the servers out. The usual cause is a "
        "certificate or a server that changed; a stranger in between looks the same from here.",
    ),
    Mechanism.TLS: (
        "{domain} has not come up to what you asked for",
        "Mail was not handed over, because TLS did not prove who answered, or did not come up, "
        "and your own rules insist on it.",
    ),
}


def _gone(domain: str, facts: DomainFacts | None) -> Lede | None:
    if facts is None or facts.failure is None:
        return None
    if facts.failure is DnsFailure.NXDOMAIN:
        return Lede(text=f"There is no domain {domain}.", more="Nothing can be sent there.")
    if facts.failure is DnsFailure.NULL_MX:
        return Lede(
            text=f"{domain} takes no mail.", more="It says so itself, with a null MX record."
        )
    return None


def _lost(domain: str, record: DomainRecord, now: datetime) -> Lede | None:
    """TLS that was there before, or does not come up."""
    track = known(record.starttls, now)
    if track.state is Seen.FAILED:
        return Lede(
            text=f"{domain} offers TLS, but it does not come up,",
            tail=f"{since(track.since, now)}.",
            tone="bad",
            more=_history(record, now),
        )
    if track.state is Seen.NO and track.was_yes:
        return Lede(
            text=f"{domain} has stopped offering TLS",
            tail=f"{since(track.since, now)}.",
            tone="bad",
            more=f"{track.hits} of {counted(track.sessions, 'session')} had it. Without it, anyone "
            f"on the way can read a copy. {_history(record, now)}",
        )
    return None


def _seen(domain: str, record: DomainRecord, now: datetime) -> Lede | None:
    """What its sessions showed, nothing being wrong."""
    track = known(record.starttls, now)
    last = ago(record.last_seen_at, now)
    last = last if track.sessions == 1 else f"last {last}"
    more = _history(record, now)
    if track.state is Seen.NO:
        text = f"{domain} did not offer TLS in {_any_of(track.sessions)}, {last}."
        return Lede(text=text, tone="warn", more=more)
    if track.state is not Seen.YES:
        return None
    if known(record.proven, now).state is not Seen.YES:
        text = f"{domain} used TLS, {last}, and nothing proved who answered."
        return Lede(text=text, more=more)
    if known(record.requiretls, now).state is Seen.YES:
        text = f"{domain} proved who it is and announced REQUIRETLS, {last}."
        return Lede(text=text, more=more)
    share = _share(record.proven)
    return Lede(text=f"{domain} proved who it is in {share}, {last}.", more=more)


def _silent(domain: str, record: DomainRecord, last_try: str) -> Lede:
    """Nothing that counts any more, or nothing at all."""
    offer = "Check now asks the server and leaves. Nothing is sent."
    if record.last_seen_at:
        return Lede(text=f"{domain} has shown nothing for half a year.", more=offer)
    if last_try:
        text = f"No session with {domain} has come up so far."
        return Lede(text=text, tone="warn", more=last_try)
    return Lede(text=f"{domain} has shown nothing yet.", more=offer)


def _any_of(sessions: int) -> str:
    return "its one session" if sessions == 1 else f"any of {sessions} sessions"


def _share(track: Track) -> str:
    if track.sessions == 1:
        return "its one session"
    if track.hits == track.sessions:
        return f"all {track.sessions} sessions"
    return f"{track.hits} of {track.sessions} sessions"


def _history(record: DomainRecord, now: datetime) -> str:
    """Return how much mail went there."""
    if record.first_seen_at is None:
        return ""
    if not record.deliveries:
        return "Nothing was handed over there so far."
    often = {1: "once", 2: "twice"}.get(record.deliveries, f"{record.deliveries} times")
    if record.first_seen_at.date() == now.date():
        return f"Mail was handed over there {often}, today."
    return f"Mail was handed over there {often} since {day(record.first_seen_at, now)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something about a domain that a person should know."""

    title: str
    text: str
    shape: str
    since: str


def alert(domain: str, record: DomainRecord, now: datetime) -> Alert | None:
    """Return what needs attention about a domain, the gravest first; None where all is quiet."""
    found = _stop_alert(domain, record) or _track_alert(domain, record)
    if found is not None:
        title, text, shape, began = found
        return Alert(title=title, text=text, shape=shape, since=since(began, now))
    return None


def policy_alert(
    domain: str, lost: LostPolicy, known_since: datetime | None, now: datetime
) -> Alert:
    """Return that a domain gave up DANE or enforcement; no dates from before it was known here."""
    title, had = _GIVEN_UP[lost.kind]
    if known_since is None or lost.last_seen_at < known_since:
        return Alert(title=f"{domain} {title}", text=f"It {had} before.", shape="lost", since="")
    first, last = day(max(lost.first_seen_at, known_since), now), day(lost.last_seen_at, now)
    text = f"It {had} from {first} to {last}." if first != last else f"It {had} on {first}."
    return Alert(title=f"{domain} {title}", text=text, shape="lost", since=since(lost.gone_at, now))


_GIVEN_UP = {
    PolicyKind.TLSA: ("stopped publishing DANE records", "had usable ones"),
    PolicyKind.MTA_STS: ("no longer enforces its MTA-STS policy", "was enforced"),
}

Found = tuple[str, str, str, datetime | None]


def _stop_alert(domain: str, record: DomainRecord) -> Found | None:
    titles = {
        Mechanism.DANE: f"{domain}: certificate and DANE disagree",
        Mechanism.MTA_STS: f"{domain}: its servers do not meet its MTA-STS policy",
        Mechanism.TLS: f"{domain}: TLS did not come up to your rules",
        Mechanism.HISTORY: f"{domain} had TLS before; mail waits for it",
    }
    if record.stopped_by not in titles:
        return None
    tries = counted(record.stops, "try", "tries")
    text = f"{tries} handed nothing over" + (
        f"; {record.deliveries} before did." if record.deliveries else "."
    )
    return titles[record.stopped_by], text, "failed", record.stopped_since


def _track_alert(domain: str, record: DomainRecord) -> Found | None:
    tls, required = record.starttls, record.requiretls
    if tls.state is Seen.FAILED:
        text = f"{tls.hits} of {counted(tls.sessions, 'session')} had working TLS."
        return f"{domain}: TLS does not come up", text, "failed", tls.since
    if tls.state is Seen.NO and tls.was_yes:
        text = f"{tls.hits} of {counted(tls.sessions, 'session')} had it."
        return f"{domain} stopped offering TLS", text, "lost", tls.since
    if required.state is Seen.NO and required.was_yes and tls.state is Seen.YES:
        text = f"{required.hits} of {counted(required.sessions, 'session')} had it."
        return f"{domain} stopped announcing REQUIRETLS", text, "lost", required.since
    return None
