"""The queue as operators read it: rows, one copy with its history, depth and age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, QuerySet

from delivery.models import OPEN_STATES, Recipient, RecipientAttempt
from delivery.policy.why import key_of, words_for
from delivery.selectors.depths import queue_depths
from delivery.selectors.receipts import attempt_document

ATTEMPTS_SHOWN = 100


def queue_document(copy: Recipient) -> dict[str, Any]:
    """Return one copy as `manage.py queue list --json` prints it."""
    return {
        "id": copy.pk,
        "message": copy.message_id,
        "account": copy.message.owner.get_username() if copy.message.owner else None,
        "from": copy.message.mail_from,
        "to": copy.address,
        "domain": copy.domain,
        "state": copy.state,
        "mode": copy.mode,
        "attempts": copy.attempts_made,
        "next_attempt_at": copy.next_attempt_at.isoformat() if copy.next_attempt_at else None,
        "last_reply": copy.last_reply or None,
        "transport": copy.transport or "direct",
        "size": copy.message.size_bytes,
        "queued_at": copy.message.queued_at.isoformat(),
    }


def with_messages(rows: QuerySet[Recipient]) -> QuerySet[Recipient]:
    """Return the rows with what `queue_document` reads, in one query."""
    return rows.select_related("message__owner")


def copy_document(copy: Recipient) -> dict[str, Any]:
    """Return one copy, settled ones too, with every attempt that decided something about it."""
    links = (
        RecipientAttempt.objects.filter(recipient=copy)
        .select_related("attempt")
        .order_by("attempt__at", "attempt_id")
    )
    history = [
        attempt_document(link.attempt)
        | {
            "outcome": link.outcome,
            "scope": link.scope or None,
            "code": link.code,
            "enhanced": link.enhanced or None,
            "reply": link.reply,
        }
        for link in links
    ]
    return queue_document(copy) | {
        "settled_at": copy.settled_at.isoformat() if copy.settled_at else None,
        "explanation": copy.explanation or None,
        "history": history,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One copy as operators read it: where it stands, and every attempt that decided about it."""

    copy: Recipient
    attempts: tuple[RecipientAttempt, ...]
    """Newest first, each with its `attempt`, whose transcript is loaded when it is read."""

    why: str
    others: int
    """How many more copies the message has."""


def copy_story(pk: int) -> Story | None:
    """Return one copy with its timeline, or None if there is no such copy: three queries."""
    copy = with_messages(Recipient.objects.filter(pk=pk)).first()
    if copy is None:
        return None
    links = (
        RecipientAttempt.objects.filter(recipient=copy)
        .select_related("attempt")
        .defer("attempt__transcript")
        .order_by("-attempt__at", "-attempt_id")
    )
    key = key_of(reason=copy.reason, enhanced=copy.enhanced, code=copy.code)
    return Story(
        copy=copy,
        attempts=tuple(links[:ATTEMPTS_SHOWN]),
        why=words_for(key),
        others=Recipient.objects.filter(message=copy.message_id).exclude(pk=pk).count(),
    )


def queue_stats(*, now: datetime) -> dict[str, Any]:
    """Return depth and age by state, and depth by domain and by reason."""
    waiting = Recipient.objects.filter(state__in=OPEN_STATES)
    states = waiting.values("state").annotate(depth=Count("id"), oldest=Min("message__queued_at"))
    return {
        "total": waiting.count(),
        "by_state": {
            row["state"]: {
                "depth": row["depth"],
                "oldest_seconds": int((now - row["oldest"]).total_seconds()),
            }
            for row in states.order_by("state")
        },
        "by_domain": _depths(waiting, "domain"),
        "by_reason": {kind.key: kind.depth for kind in queue_depths().kinds},
    }


def _depths(rows: QuerySet[Recipient], column: str) -> dict[str, int]:
    """Return the fifty deepest groups."""
    grouped = rows.values(column).annotate(depth=Count("id")).order_by("-depth", column)
    return {row[column]: row["depth"] for row in grouped[:50]}
