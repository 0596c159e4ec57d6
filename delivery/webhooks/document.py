"""What a call says: one JSON document about one copy. Never content, never a subject."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from delivery.models import Attempt, Recipient
from delivery.webhook_models import Event

VERSION = 1


def about(copy: Recipient, event: Event, *, now: datetime) -> str:
    """Return the document about `copy`; its message and last attempt should be loaded."""
    message = copy.message
    return _text(
        event,
        now,
        {
            "recipient": {
                "id": copy.pk,
                "address": copy.address,
                "domain": copy.domain,
                "mode": copy.mode,
                "state": copy.state,
                "attempts": copy.attempts_made,
                "next_attempt_at": _moment(copy.next_attempt_at),
            },
            "message": {
                "id": str(message.uuid),
                "message_id": message.message_id,
                "from": message.mail_from,
                "queued_at": _moment(message.queued_at),
            },
            "answer": {
                "code": copy.code,
                "enhanced": copy.enhanced or None,
                "reply": copy.last_reply or None,
                "explanation": copy.explanation or copy.hold_reason or None,
                "reason": copy.reason or None,
            },
            "session": _session(copy.last_attempt) if event is not Event.CANCELLED else None,
        },
    )


def test(*, now: datetime) -> str:
    """Return the document of a test, which is about nothing."""
    return _text(Event.TEST, now, {})


def _text(event: Event, now: datetime, rest: dict[str, Any]) -> str:
    document = {"version": VERSION, "event": event.value, "at": _moment(now), **rest}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _session(attempt: Attempt | None) -> dict[str, Any] | None:
    """Return what the deciding session showed: the proof."""
    if attempt is None:
        return None
    return {
        "id": str(attempt.uuid),
        "at": _moment(attempt.at),
        "mx": attempt.mx or None,
        "address": attempt.address,
        "starttls": attempt.starttls or None,
        "tls_version": attempt.tls_version or None,
        "cipher": attempt.cipher or None,
        "verified_by": attempt.verified_by,
        "mta_sts": attempt.mta_sts_mode or None,
        "dnssec": attempt.dnssec or None,
        "requiretls_offered": attempt.requiretls_offered,
        "requiretls_used": attempt.requiretls_used,
        "reason": attempt.reason or None,
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
