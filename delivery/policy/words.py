"""The words and shapes people see: dated facts, plain verbs, no promise.

Values in, values out; templates only place what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.policy.bars import Bar, BarKey, BarState
from delivery.policy.dates import ago, day
from delivery.policy.facts import DomainFacts
from delivery.policy.reasons import Reason
from delivery.policy.record import DomainRecord
from delivery.policy.verdict import Forecast, Way

NAMES = {
    BarKey.STARTTLS: "STARTTLS",
    BarKey.MTA_STS: "MTA-STS",
    BarKey.DNSSEC: "DNSSEC",
    BarKey.DANE: "DANE",
    BarKey.REQUIRETLS: "REQUIRETLS",
}

REASONS = {
    Reason.NONE: "",
    Reason.STARTTLS_NOT_SUPPORTED: "The server did not offer STARTTLS, or refused it.",
    Reason.CERTIFICATE_HOST_MISMATCH: "The certificate is for another name.",
    Reason.CERTIFICATE_EXPIRED: "The certificate is out of date.",
    Reason.CERTIFICATE_NOT_TRUSTED: "The certificate comes from nobody that is trusted here.",
    Reason.VALIDATION_FAILURE: "What the server showed does not match what its domain publishes.",
    Reason.TLSA_INVALID: "The TLSA records can't be used.",
    Reason.DNSSEC_INVALID: "The DNSSEC signatures do not check out.",
    Reason.DANE_REQUIRED: "DANE was required, and no usable record was there.",
    Reason.STS_POLICY_FETCH_ERROR: "The MTA-STS policy could not be fetched.",
    Reason.STS_POLICY_INVALID: "The MTA-STS policy can't be understood.",
    Reason.STS_WEBPKI_INVALID: "The host of the MTA-STS policy showed a bad certificate.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BarView:
    """One bar as it is drawn: shape and word, then the card behind it."""

    key: str
    name: str
    shape: str
    """yes, yes-old, no, unknown, checking, failed, lost or error."""

    word: str
    count: str
    when: str
    fact: str
    seen: str
    sessions: str
    server: str
    reason: str
    means: str
    is_fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """A domain with its five bars."""

    domain: str
    since: str
    bars: tuple[BarView, ...]
    label: str
    """All five words, for those who do not see the drawing."""

    status: str
    """The settled result in one sentence; empty while something is still checked."""

    is_checking: bool = False
    is_local: bool = False
    ahead: str = ""
    """Where its mail goes instead, if not to its own servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireView:
    """How one copy travels, drawn: req, ver, tls, plain, unk or cut, always with its words."""

    kind: str
    words: str


WIRES = {
    Way.REQUIRETLS: WireView(kind="req", words="REQUIRETLS"),
    Way.VERIFIED: WireView(kind="ver", words="Verified TLS"),
    Way.TLS: WireView(kind="tls", words="TLS, not verified"),
    Way.PLAIN: WireView(kind="plain", words="Plain text"),
    Way.UNKNOWN: WireView(kind="unk", words="Not known yet"),
    Way.NOT_SENT: WireView(kind="cut", words="Not sent"),
    Way.LOCAL: WireView(kind="ver", words="Stays on this server"),
}

RELAYED = WireView(kind="unk", words="First hop only")
"""To a relay over TLS: what happens after it is not known here."""

TONES = {
    Way.REQUIRETLS: "yes",
    Way.VERIFIED: "yes",
    Way.LOCAL: "yes",
    Way.TLS: "quiet",
    Way.UNKNOWN: "quiet",
    Way.PLAIN: "warn",
    Way.NOT_SENT: "bad",
}


def since(record: DomainRecord | None, now: datetime) -> str:
    """Return since when an account has known a domain."""
    if record is None or record.first_seen_at is None:
        return "First message"
    if record.first_seen_at.astimezone(now.tzinfo).date() == now.date():
        return "since today"
    return f"since {day(record.first_seen_at, now)}"


def shape(bar: Bar) -> str:
    """Return the name of the bar's drawing."""
    if bar.state is BarState.YES and bar.is_old:
        return "yes-old"
    if bar.state is BarState.NO and bar.was_yes:
        return "lost"
    return bar.state.value


_WORDS = {
    "yes": "Yes",
    "yes-old": "Yes, old",
    "no": "No",
    "unknown": "Unknown",
    "checking": "Checking",
    "failed": "Failed",
    "lost": "Lost",
    "error": "No answer",
}
_OWN_WORDS = {
    (BarKey.MTA_STS, "yes"): "Enforced",
    (BarKey.MTA_STS, "no"): "No policy",
    (BarKey.DNSSEC, "yes"): "Signed",
    (BarKey.DNSSEC, "no"): "Unsigned",
    (BarKey.DANE, "yes"): "Matches",
    (BarKey.DANE, "no"): "None",
}


def word(bar: Bar) -> str:
    """Return the bar's word; the drawing is never without it."""
    drawn = shape(bar)
    if bar.key is BarKey.MTA_STS and drawn == "no" and bar.value == "testing":
        return "Testing"
    if drawn == "error" and bar.value == "unchecked":
        return "Not checked"
    return _OWN_WORDS.get((bar.key, drawn), _WORDS[drawn])


def count(bar: Bar) -> str:
    """Return the count under the word."""
    if bar.state is BarState.CHECKING:
        return "asking DNS"
    if bar.key in (BarKey.STARTTLS, BarKey.REQUIRETLS):
        return f"{bar.hits} of {bar.sessions}" if bar.sessions else "0 sessions"
    if bar.state is BarState.UNKNOWN:
        return "not looked up"
    if bar.state is BarState.FAILED and bar.since is not None:
        return f"0 of {_sessions(bar.sessions)}"
    if bar.key is BarKey.DANE and bar.sessions:
        return f"{bar.hits} of {bar.sessions} {'host' if bar.sessions == 1 else 'hosts'}"
    if bar.key is BarKey.MTA_STS and bar.state is BarState.YES and bar.value:
        return f"policy {bar.value[:12]}"
    if bar.key is BarKey.DNSSEC and bar.state is BarState.YES:
        return "all of MX"
    return "looked up"


def _sessions(number: int) -> str:
    return f"{number} session" if number == 1 else f"{number} sessions"


def fact(bar: Bar, domain: str) -> str:
    """Return the fact behind a bar in one sentence."""
    reader = _TRACK_FACTS if bar.key in (BarKey.STARTTLS, BarKey.REQUIRETLS) else _LOOKUP_FACTS
    sentence = reader.get((bar.key, shape(bar))) or reader.get((bar.key, bar.state.value)) or ""
    if bar.key is BarKey.MTA_STS and word(bar) == "Testing":
        sentence = "{domain} tests its MTA-STS policy and does not enforce it yet."
    if word(bar) == "Not checked":
        sentence = "The resolver used here does not check DNSSEC, so nothing can be said."
    return sentence.format(domain=domain, count=_sessions(bar.sessions), host=bar.host or domain)


_TRACK_FACTS = {
    (BarKey.STARTTLS, "yes"): "The last session with {domain} ran over TLS.",
    (BarKey.STARTTLS, "no"): "{domain} did not offer TLS in its last session.",
    (BarKey.STARTTLS, "lost"): "{domain} used to offer TLS. In its last session it did not.",
    (BarKey.STARTTLS, "failed"): "{host} offered TLS, but it did not come up.",
    (BarKey.STARTTLS, "unknown"): "No session with {domain} has shown whether it offers TLS.",
    (BarKey.REQUIRETLS, "yes"): "The last session with {domain} announced REQUIRETLS.",
    (BarKey.REQUIRETLS, "no"): "{domain} did not announce REQUIRETLS in its last session.",
    (
        BarKey.REQUIRETLS,
        "lost",
    ): "{domain} used to announce REQUIRETLS. In its last session it did not.",
    (
        BarKey.REQUIRETLS,
        "unknown",
    ): "No session with {domain} has shown whether it announces REQUIRETLS.",
}
_LOOKUP_FACTS = {
    (BarKey.MTA_STS, "yes"): "{domain} publishes an MTA-STS policy and enforces it.",
    (BarKey.MTA_STS, "no"): "{domain} publishes no MTA-STS policy.",
    (BarKey.MTA_STS, "failed"): "The servers of {domain} do not meet its own MTA-STS policy.",
    (BarKey.MTA_STS, "error"): "The look-up of the MTA-STS policy got no answer.",
    (
        BarKey.DNSSEC,
        "yes",
    ): "The whole MX answer of {domain} is signed, and the signatures check out.",
    (BarKey.DNSSEC, "no"): "The MX answer of {domain} is not signed.",
    (BarKey.DNSSEC, "failed"): "The DNSSEC signatures of {domain} do not check out.",
    (BarKey.DNSSEC, "error"): "The look-up of the mail servers of {domain} got no answer.",
    (
        BarKey.DANE,
        "yes",
    ): "Every mail server of {domain} is tied to its certificate by a signed TLSA record.",
    (BarKey.DANE, "no"): "Not every mail server of {domain} has a signed TLSA record.",
    (BarKey.DANE, "failed"): "The certificate of {host} does not match the published TLSA record.",
    (BarKey.DANE, "error"): "The look-up of the TLSA records got no answer.",
}

_MEANS = {
    (BarKey.STARTTLS, "yes"): "A copy sent now is expected to be encrypted on the way there.",
    (BarKey.STARTTLS, "no"): "Without TLS, anyone on the way can read the copy.",
    (BarKey.STARTTLS, "failed"): "Without TLS, anyone on the way can read the copy.",
    (
        BarKey.MTA_STS,
        "yes",
    ): "The copy goes only to a server that the policy names and a trusted certificate proves.",
    (BarKey.MTA_STS, "failed"): "The copy is not handed over while this lasts.",
    (BarKey.DNSSEC, "yes"): "Nobody on the way can name another mail server unnoticed.",
    (BarKey.DNSSEC, "no"): "Someone between here and DNS could name another mail server.",
    (BarKey.DANE, "yes"): "The copy goes only to a server whose certificate matches.",
    (BarKey.DANE, "failed"): "The copy is not handed over while this lasts.",
    (BarKey.DANE, "error"): "Without an answer the copy waits; it is not sent unprotected.",
    (
        BarKey.REQUIRETLS,
        "yes",
    ): "The copy can be sent so that every later server must use verified TLS too.",
    (BarKey.REQUIRETLS, "no"): "What happens behind the first server can't be asked for.",
}


def bar_view(bar: Bar, domain: str, now: datetime) -> BarView:
    """Return one bar ready to be drawn."""
    when = "" if bar.state is BarState.CHECKING else ago(bar.seen_at, now)
    from_sessions = bar.key in (BarKey.STARTTLS, BarKey.REQUIRETLS)
    return BarView(
        key=bar.key.value,
        name=NAMES[bar.key],
        shape=shape(bar),
        word=word(bar),
        count=count(bar),
        when=when,
        fact=fact(bar, domain),
        seen=_seen(bar, now),
        sessions=f"{bar.hits} of {_sessions(bar.sessions)}"
        if from_sessions and bar.sessions
        else "",
        server=bar.host,
        reason=bar.reason.value,
        means=_means(bar, now),
        is_fresh=bar.seen_at is not None and now - bar.seen_at < timedelta(seconds=5),
    )


def _means(bar: Bar, now: datetime) -> str:
    """Return what the fact means for a copy sent now."""
    if bar.remembered_at is not None:
        last = ago(bar.remembered_at, now)
        return f"TLS was there before, last {last}: a copy waits rather than travel in plain text."
    return _MEANS.get((bar.key, bar.state.value), "")


def _seen(bar: Bar, now: datetime) -> str:
    """Return when it was last seen, and since when it is so."""
    if bar.seen_at is None:
        return ""
    last = ago(bar.seen_at, now)
    if bar.since is None or now - bar.since < timedelta(hours=1):
        return last.capitalize()
    return f"{last.capitalize()}, so since {day(bar.since, now)}"


def ledger_row(
    domain: str,
    bars: tuple[Bar, ...],
    record: DomainRecord | None,
    facts: DomainFacts | None,
    now: datetime,
) -> LedgerRow:
    """Return a domain's row of bars."""
    views = tuple(bar_view(bar, domain, now) for bar in bars)
    said = ", ".join(f"{view.name} {view.word.lower()}" for view in views)
    checking = any(bar.state is BarState.CHECKING for bar in bars)
    return LedgerRow(
        domain=domain,
        since=since(record, now),
        bars=views,
        label=f"{domain}: {said}",
        status="" if checking or facts is None else f"{domain}: {said}.",
        is_checking=checking,
    )


def wire(forecast: Forecast) -> WireView:
    """Return the drawing for a forecast."""
    return WIRES[forecast.way]
