"""Why a copy is not delivered yet, sorted into kinds that operators count: RFC 8460 reasons, RFC 3463 codes."""

from __future__ import annotations

from delivery.policy.words import REASONS

NOT_TRIED = "not-tried"

_BY_TLS = {reason.value: sentence for reason, sentence in REASONS.items() if reason}
_OURS = {
    "4.3.0": "Something went wrong here; it is tried again",
    "4.4.1": "The server does not answer",
    "4.4.2": "The session broke off",
    "4.4.3": "DNS does not answer about the domain",
    "4.4.4": "No mail server of the domain could be tried",
    "4.4.5": "Too many sessions are waiting for slow servers",
    "4.4.7": "It waited too long",
    "4.5.0": "The server breaks the rules of SMTP",
    "4.7.1": "The server turns this mail away for now",
    "4.7.5": "TLS does not work",
}
# RFC 3463 §3: the second number is the subject.
_SUBJECTS = {
    "1": "The server has doubts about the address",
    "2": "The mailbox can't take mail now",
    "3": "The server can't take mail now",
    "4": "The network or routing is in trouble",
    "5": "The server did not understand the session",
    "6": "The server does not take this content now",
    "7": "The server's policy puts this mail off",
}


def key_of(*, reason: str, enhanced: str, code: int | None) -> str:
    """Return the kind of a wait: the reason TLS gave, or the enhanced code, or the plain one."""
    return reason or enhanced or (str(code) if code else NOT_TRIED)


def words_for(key: str) -> str:
    """Return a kind in plain words, with its code where it has one."""
    if key == NOT_TRIED:
        return "Not tried yet"
    if key in _BY_TLS:
        return _BY_TLS[key].rstrip(".")
    subject = key.split(".")[1] if key.count(".") == 2 else ""
    words = _OURS.get(key) or _SUBJECTS.get(subject) or "The server put it off"
    return f"{words} ({key})"
