"""What happened with one domain, newest first: sessions, and certificates that changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.dashboard import clock
from delivery.models import Attempt, AttemptOutcome, Source
from delivery.policy.facts import Proof, Starttls
from delivery.policy.reasons import Reason
from delivery.policy.verdict import Way
from delivery.policy.words import REASONS
from delivery.selectors import way_of

_PROOFS = {
    Proof.DANE_EE: "DANE-EE",
    Proof.DANE_TA: "DANE-TA",
    Proof.STS_PKIX: "MTA-STS and certificate",
    Proof.PKIX: "certificate",
}


_CODES = re.compile(r"^\d{3}(?: \d\.\d{1,3}\.\d{1,3})? ")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLine:
    """One line of a transcript. `kind`: us, end for what broke, or nothing."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    key: str
    when: str
    at: datetime
    icon: str
    tone: str
    """yes, bad, warn or quiet."""

    title: str
    text: str
    reply: str = ""
    script: tuple[ScriptLine, ...] = ()


def timeline(attempts: Sequence[Attempt], now: datetime) -> tuple[Event, ...]:
    """Return what `attempts`, newest first, tell."""
    events: list[Event] = []
    for index, attempt in enumerate(attempts):
        events.append(_session(attempt, now))
        changed = _changed_certificate(attempt, attempts[index + 1 :], now)
        if changed is not None:
            events.append(changed)
    return tuple(events)


def _session(attempt: Attempt, now: datetime) -> Event:
    icon, tone, title = _result(attempt)
    answer = _answer(attempt)
    return Event(
        key=str(attempt.uuid),
        when=clock.full(attempt.at, now),
        at=attempt.at,
        icon=icon,
        tone=tone,
        title=title,
        text=" ".join(part for part in (_details(attempt), _why(attempt, answer)) if part),
        reply=answer,
        script=tuple(_line(line) for line in attempt.transcript.splitlines()),
    )


def _result(attempt: Attempt) -> tuple[str, str, str]:
    """Return icon, tone and title."""
    subject = attempt.message.subject if attempt.message else ""
    about = f" “{subject}”" if subject else ""
    if attempt.source == Source.PROBE:
        return ("eye", "quiet", "Checked, nothing was sent")
    if attempt.outcome == AttemptOutcome.DELIVERED:
        tone = "yes" if attempt.tls_version else "warn"
        return ("check", tone, f"Delivered{about} {_WAYS[way_of(attempt)]}")
    if attempt.outcome == AttemptOutcome.FAILED:
        return ("fail", "bad", f"Gave up on{about}" if about else "Gave up")
    tone = "bad" if attempt.stopped_by else "warn"
    return ("retry", tone, "Not handed over, to be tried again")


_WAYS = {
    Way.REQUIRETLS: "with REQUIRETLS",
    Way.VERIFIED: "over verified TLS",
    Way.TLS: "over TLS, not verified",
    Way.PLAIN: "in plain text",
    Way.UNKNOWN: "to a relay; what happened after it is not known here",
}


def _details(attempt: Attempt) -> str:
    """Return server, protocol and proof, in one line."""
    proofs = [_PROOFS[Proof(proof)] for proof in attempt.verified_by]
    parts = [
        attempt.mx,
        attempt.tls_version.replace("TLSv", "TLS "),
        *proofs,
        "REQUIRETLS announced" if attempt.requiretls_offered else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f"{said}." if said else ""


def _answer(attempt: Attempt) -> str:
    """Return what the server said, unless it took the message; our own words are not its answer."""
    if attempt.outcome in (AttemptOutcome.DELIVERED, AttemptOutcome.PROBED):
        return ""
    first = attempt.reply.split("\n", 1)[0]
    return attempt.reply if first and f"S: {first}" in attempt.transcript else ""


def _why(attempt: Attempt, answer: str) -> str:
    """Return what was wrong, in our words."""
    if attempt.starttls == Starttls.FAILED:
        return f"TLS did not come up: {attempt.detail}."
    if attempt.outcome in (AttemptOutcome.DEFERRED, AttemptOutcome.FAILED) and not answer:
        return _CODES.sub("", attempt.reply)
    reason = Reason(attempt.reason)
    return "" if reason is Reason.VALIDATION_FAILURE else REASONS[reason]


def _line(text: str) -> ScriptLine:
    """Say who spoke: C for us, S for the server, * for what happened without words."""
    kind = {"C": "us", "*": "end" if "failed" in text else ""}.get(text[:1], "")
    return ScriptLine(text=text, kind=kind)


def _changed_certificate(attempt: Attempt, older: Sequence[Attempt], now: datetime) -> Event | None:
    """Return an event if this session was the first to show another certificate."""
    shown = attempt.certificate
    earlier = [one.certificate for one in older if one.mx == attempt.mx and one.certificate]
    if not shown or not earlier or shown["fingerprint"] == earlier[0]["fingerprint"]:
        return None
    until = datetime.fromisoformat(shown["not_after"])
    return Event(
        key=f"{attempt.uuid}-certificate",
        when=clock.full(attempt.at, now),
        at=attempt.at,
        icon="key",
        tone="quiet",
        title="The certificate changed",
        text=f"{attempt.mx} shows a new one from {shown['issuer']}, good until "
        f"{until.day} {until:%B %Y}.",
    )
