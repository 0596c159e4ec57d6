"""The receipt of a sent message: per recipient, what each server announced and answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from delivery.models import SETTLED_STATES, Attempt, OutboundMessage, Recipient, State
from delivery.policy import first_hop, words
from delivery.policy.facts import Dnssec, Proof, Starttls
from delivery.policy.modes import Mode
from delivery.policy.reasons import Reason
from delivery.policy.transport import LOCAL
from delivery.policy.verdict import Way, travelled
from delivery.policy.words import WireView

Fact = tuple[str, str, bool]
"""Label, value, and whether the value is set in the fixed-width face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPart:
    """What became of one recipient's copy."""

    address: str
    wire: WireView
    outcome: str
    state: str
    tone: str
    facts: tuple[Fact, ...]
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a message."""

    title: str
    tone: str
    summary: str
    parts: tuple[ReceiptPart, ...]


def receipt(message: OutboundMessage) -> Receipt:
    """Return a message's receipt as it stands: one query."""
    copies = _copies(message)
    states = [State(copy.state) for copy in copies]
    done = states.count(State.DELIVERED)
    delivered = [copy for copy in copies if copy.state == State.DELIVERED]
    ways = [_way(copy) for copy in delivered if copy.last_attempt or copy.transport == LOCAL]
    relayed = _AFTER_RELAY if any(map(_is_relayed, delivered)) else ""
    return Receipt(
        title=_title(states, done),
        tone=_tone(states),
        summary=_summary(ways, states) + relayed,
        parts=tuple(_part(copy, index == 0) for index, copy in enumerate(copies)),
    )


def _copies(message: OutboundMessage) -> list[Recipient]:
    return list(message.recipients.select_related("last_attempt"))


def _title(states: list[State], done: int) -> str:
    if len(states) == 1:
        return {
            State.DELIVERED: "Delivered",
            State.FAILED: "Failed",
            State.CANCELLED: "Cancelled",
            State.HELD: "Held",
            State.WAITING: "Waiting",
            State.SCHEDULED: "Scheduled",
        }.get(states[0], "Sending")
    return f"Delivered to {done} of {len(states)}"


def _tone(states: Iterable[State]) -> str:
    found = set(states)
    if State.FAILED in found:
        return "bad"
    if State.HELD in found:
        return "warn"
    return "yes" if found == {State.DELIVERED} else "quiet"


def _way(copy: Recipient) -> Way:
    """Return how a delivered copy travelled."""
    if copy.transport == LOCAL:
        return Way.LOCAL
    return way_of(copy.last_attempt) if copy.last_attempt else Way.UNKNOWN


_AFTER_RELAY = " What happened after the relay is not known here."


def _is_relayed(copy: Recipient) -> bool:
    """Whether what is known of a copy ends at the first hop."""
    attempt = copy.last_attempt
    return attempt is not None and attempt.is_first_hop and not attempt.requiretls_used


def way_of(attempt: Attempt) -> Way:
    """Return how a message handed over in this attempt travelled, as far as that is known."""
    if attempt.is_first_hop:
        return first_hop.travelled(requiretls=attempt.requiretls_used, version=attempt.tls_version)
    return travelled(
        mode=Mode(attempt.mode),
        requiretls=attempt.requiretls_used,
        version=attempt.tls_version,
        proofs=frozenset(Proof(one) for one in attempt.verified_by),
        mx=Dnssec(attempt.dnssec or Dnssec.UNCHECKED),
        reason=Reason(attempt.reason),
    )


_TRAVELLED = {
    Way.REQUIRETLS: "with REQUIRETLS",
    Way.VERIFIED: "over verified TLS",
    Way.TLS: "over TLS that was not verified",
    Way.PLAIN: "in plain text",
    Way.UNKNOWN: "to a relay",
    Way.LOCAL: "to a mailbox on this server",
}


def _summary(ways: list[Way], states: list[State]) -> str:
    """Return how the copies travelled, strongest first, and how many are still under way."""
    said = [
        f"{_count(ways.count(way), len(states))} went {text}"
        for way, text in _TRAVELLED.items()
        if way in ways
    ]
    waiting = sum(state not in SETTLED_STATES for state in states)
    failed = states.count(State.FAILED)
    if failed:
        said.append(f"{_count(failed, len(states))} could not be delivered")
    if waiting:
        verb = "is" if waiting == 1 else "are"
        said.append(f"{_count(waiting, len(states))} {verb} still on the way")
    if not said:
        return "Nothing was sent."
    sentence = ", ".join(said[:-1]) + (" and " if said[:-1] else "") + said[-1]
    return f"{sentence[0].upper()}{sentence[1:]}."


def _count(number: int, total: int) -> str:
    if total == 1:
        return "it"
    return "one copy" if number == 1 else f"{number} copies"


_WAITING_WORDS = {
    State.SCHEDULED: "Not left yet",
    State.QUEUED: "Leaves now",
    State.SENDING: "Being handed over",
    State.WAITING: "Waits for another try",
    State.HELD: "Held",
    State.CANCELLED: "Cancelled, nothing was sent",
    State.FAILED: "Not delivered",
}


def _part(copy: Recipient, is_first: bool) -> ReceiptPart:
    state = State(copy.state)
    way = _way(copy) if state is State.DELIVERED else Way.UNKNOWN
    if state in (State.FAILED, State.CANCELLED):
        way = Way.NOT_SENT
    delivered = state is State.DELIVERED
    is_open_ended = delivered and way is Way.UNKNOWN and _is_relayed(copy)
    wire = words.RELAYED if is_open_ended else words.WIRES[way]
    outcome = wire.words if delivered else _WAITING_WORDS[state]
    return ReceiptPart(
        address=copy.address,
        wire=wire,
        outcome=f"{outcome}, accepted" if way is Way.REQUIRETLS else outcome,
        state=state,
        tone=words.TONES[way] if delivered else _tone([state]),
        facts=_facts(copy, state),
        is_open=is_first or not delivered,
    )


def _facts(copy: Recipient, state: State) -> tuple[Fact, ...]:
    attempt = copy.last_attempt
    facts: list[Fact] = []
    if state is State.DELIVERED and copy.settled_at:
        facts.append(("Delivered", _time(copy.settled_at), False))
    elif state is State.WAITING and copy.next_attempt_at:
        facts.append(("Next try", _time(copy.next_attempt_at), False))
    elif copy.settled_at:
        facts.append(("Ended", _time(copy.settled_at), False))
    if copy.explanation and state is not State.DELIVERED:
        facts.append(("Why", copy.explanation, False))
    if attempt is not None:
        facts += _session_facts(attempt)
    if copy.server_reply and state is not State.CANCELLED:
        facts.append(("Answer", copy.server_reply, True))
    return tuple(facts)


def _session_facts(attempt: Attempt) -> list[Fact]:
    facts: list[Fact] = []
    if attempt.is_first_hop:
        told = "These facts are about it alone; what happens after it is not known here."
        facts.append(("Relay", told, False))
    elif attempt.transport:
        facts.append(("Transport", attempt.transport, False))
    if attempt.mx:
        facts.append(("Server", f"{attempt.mx}\n{attempt.address or ''}".strip(), True))
    facts.append(("TLS", _tls(attempt), bool(attempt.tls_version)))
    if attempt.tls_version:
        facts.append(("Verified by", _proofs(attempt.verified_by), False))
    if attempt.requiretls_offered or attempt.mode == Mode.REQUIRETLS:
        facts.append(("REQUIRETLS", _requiretls(attempt), False))
    if attempt.signed_by:
        facts.append(("Signed with", attempt.signed_by, False))
    if attempt.reason:
        facts.append(("Reason", attempt.reason, True))
    return facts


def _tls(attempt: Attempt) -> str:
    if attempt.tls_version:
        return f"{attempt.tls_version.removeprefix('TLSv')}, {attempt.cipher}"
    return {
        Starttls.NOT_OFFERED: "Not offered",
        Starttls.FAILED: "Offered, did not come up",
    }.get(Starttls(attempt.starttls), "Not reached")


_PROOFS = {
    Proof.DANE_EE: "DANE-EE",
    Proof.DANE_TA: "DANE-TA",
    Proof.STS_PKIX: "MTA-STS and certificate",
    Proof.PKIX: "certificate",
}


def _proofs(proofs: Iterable[str]) -> str:
    said = ", ".join(_PROOFS[Proof(proof)] for proof in proofs)
    return f"{said[0].upper()}{said[1:]}" if said else "Nothing"


def _requiretls(attempt: Attempt) -> str:
    if attempt.requiretls_used:
        return "Announced, used"
    return "Announced, not used" if attempt.requiretls_offered else "Not announced"


def _time(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b %Y, %H:%M:%S} UTC"


def receipt_document(message: OutboundMessage) -> dict[str, Any]:
    """Return the receipt as a JSON document; times are ISO 8601 in UTC."""
    return {
        "type": "mailweb-receipt",
        "version": 1,
        "message": str(message.uuid),
        "message_id": message.message_id,
        "from": message.mail_from,
        "queued_at": message.queued_at.isoformat(),
        "size_bytes": message.size_bytes,
        "recipients": [_document(copy) for copy in _copies(message)],
    }


def _document(copy: Recipient) -> dict[str, Any]:
    attempt = copy.last_attempt
    return {
        "address": copy.address,
        "state": copy.state,
        "mode": copy.mode,
        "settled_at": copy.settled_at.isoformat() if copy.settled_at else None,
        "attempts": copy.attempts_made,
        "reply": copy.last_reply,
        "session": attempt_document(attempt) if attempt else None,
    }


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """Return one attempt as `manage.py attempts --json` prints it."""
    sts = {"mode": attempt.mta_sts_mode or "none", "id": attempt.mta_sts_id}
    return {
        "id": str(attempt.uuid),
        "at": attempt.at.isoformat(),
        "domain": attempt.domain,
        "mx": attempt.mx,
        "address": attempt.address,
        "source": attempt.source,
        "mode": attempt.mode,
        "starttls": attempt.starttls or None,
        "tls_version": attempt.tls_version or None,
        "cipher": attempt.cipher or None,
        "verified_by": attempt.verified_by,
        "certificate": attempt.certificate,
        "mta_sts": sts if attempt.mta_sts_mode else None,
        "dnssec": attempt.dnssec or None,
        "requiretls_offered": attempt.requiretls_offered,
        "requiretls_used": attempt.requiretls_used,
        "signed_by": attempt.signed_by or None,
        "reason": attempt.reason or None,
        "scope": attempt.scope or None,
        "code": attempt.code,
        "enhanced": attempt.enhanced or None,
        "reply": attempt.reply,
        "outcome": attempt.outcome,
        "transport": attempt.transport or "direct",
        "is_first_hop": attempt.is_first_hop,
        "mechanism": attempt.mechanism or None,
    }
