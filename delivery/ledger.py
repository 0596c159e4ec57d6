"""Writing down how copies ended, and what their attempts showed.

Whoever writes an outcome must still hold the lease under which the copy was taken. Evidence is
kept in a savepoint of its own, so that a failure to keep it never fails a delivery.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, F, TextField, Value, When

from delivery import events, evidence, services, suppressions, tasks, transport_news
from delivery.agent.job import AttemptReport, RecipientResult
from delivery.copies import Copy
from delivery.models import DUE_STATES, Recipient, State
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.reporting import wants
from delivery.policy.retry import next_attempt
from delivery.smtp import Notify
from delivery.webhooks import events as webhook_events
from mailweb.lib.queue import enqueue

logger = logging.getLogger(__name__)

LAST_TRY_WITHIN = timedelta(hours=1)
"""How long an overdue copy may wait for a worker to try it for the last time."""


def record(
    *,
    copies: Mapping[int, Copy],
    reports: Sequence[AttemptReport],
    now: datetime,
    jitter: float,
) -> int:
    """Write down what the jobs of `reports` showed and how they ended; return how many copies.

    `copies` has those the jobs were about, by their key, and may have others.
    """
    results = [result for report in reports for result in report.results]
    with transaction.atomic():
        attempts = _kept_evidence(copies, reports, now)
        transport_news.learn(reports, now=now)
        return settle(copies=copies, results=results, now=now, jitter=jitter, attempts=attempts)


def _kept_evidence(
    copies: Mapping[int, Copy], reports: Sequence[AttemptReport], now: datetime
) -> dict[int, int]:
    """Keep what the jobs showed, or log why not: an outcome is written down whatever happens here."""
    try:
        with transaction.atomic():
            return evidence.add(reports=reports, copies=copies, now=now)
    except Exception:
        logger.exception("evidence not kept", extra={"reports": len(reports)})
        return {}


def settle(
    *,
    copies: Mapping[int, Copy],
    results: Iterable[RecipientResult],
    now: datetime,
    jitter: float,
    attempts: Mapping[int, int] = MappingProxyType({}),
) -> int:
    """Write each copy's outcome, as long as its lease is still held; return how many were given.

    `attempts` names the attempt that decided about each copy.
    """
    known = [(copies[result.key], result.outcome) for result in results if result.key in copies]
    if not known:
        return 0
    changes = [
        (*_columns(copy, outcome, now, jitter), attempts.get(copy.pk), copy.pk, copy.lease)
        for copy, outcome in known
    ]
    with transaction.atomic():
        _write(changes)
        asks = _ask_senders([copy.pk for copy, one in known if one.result is Result.HELD], now)
        suppressions.learn(known, now=now)
        states = {change[0] for change in changes}
        has_news = asks or any(change[_NOTICE_DUE] for change in changes)
        owners = {copy.owner_id for copy, _ in known}
        # Who was turned away has not been tried: that is no news.
        tried = [copy.pk for copy, outcome in known if not outcome.is_turned_away]
        webhook_events.note(tried, now=now, owners=owners)
        _after_settling([copy for copy, _ in known], states, has_news=has_news)
    return len(changes)


def _ask_senders(held: list[int], now: datetime) -> bool:
    """Mark copies that would travel worse than promised: only their sender can let them go.

    Whatever their sender wants to be told of deliveries, this is a question. Return whether there is
    one that was not asked before.
    """
    if not held:
        return False
    just_held = Recipient.objects.filter(
        pk__in=held, state=State.HELD, hold_reason="", asks_sender=False
    )
    return bool(just_held.update(asks_sender=True, held_at=now, notice_due=True))


def _after_settling(copies: list[Copy], states: set[Any], *, has_news: bool) -> None:
    """Drop bytes nobody needs, have senders told, and refresh their pages."""
    if State.DELIVERED.value in states:
        services.forget_content({copy.message_id for copy in copies})
    if has_news:
        enqueue(tasks.notify)
    events.tell_owners((copy.owner_id, copy.uuid) for copy in copies)


def _write(changes: list[tuple[Any, ...]]) -> None:
    """Write new columns, each tuple as `_NAMES` has them, where the lease is still held.

    PostgreSQL takes all rows as one parameter of one statement. SQLite has no round trips to save.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            rows = [dict(zip(_NAMES, change, strict=True)) for change in changes]
            cursor.execute(_SETTLE_ALL, [json.dumps(rows, default=str)])
        else:
            cursor.executemany(_SETTLE, [_adapted(change) for change in changes])


_NAMES = (
    *("state", "next_attempt_at", "settled_at", "code", "enhanced", "last_reply", "explanation"),
    *("reason", "notice_due", "uncounted", "attempt", "id", "lease"),
)
_SETTLE = """
    UPDATE delivery_recipient
    SET state = %s, next_attempt_at = %s, settled_at = %s, code = %s, enhanced = %s,
        last_reply = %s, explanation = %s, reason = %s, notice_due = %s,
        attempts_made = attempts_made - %s, last_attempt_id = COALESCE(%s, last_attempt_id),
        lease = NULL, lease_until = NULL
    WHERE id = %s AND lease = %s AND state = 'sending'
"""
_SETTLE_ALL = """
    UPDATE delivery_recipient AS copy
    SET state = new.state, next_attempt_at = new.next_attempt_at, settled_at = new.settled_at,
        code = new.code, enhanced = new.enhanced, last_reply = new.last_reply,
        explanation = new.explanation, reason = new.reason, notice_due = new.notice_due,
        attempts_made = attempts_made - new.uncounted,
        last_attempt_id = COALESCE(new.attempt, last_attempt_id),
        lease = NULL, lease_until = NULL
    FROM json_to_recordset(%s) AS new (
        state text, next_attempt_at timestamptz, settled_at timestamptz, code integer,
        enhanced text, last_reply text, explanation text, reason text, notice_due boolean,
        uncounted integer, attempt bigint, id bigint, lease uuid
    )
    WHERE copy.id = new.id AND copy.lease = new.lease AND copy.state = 'sending'
"""
_NOTICE_DUE = _NAMES.index("notice_due")
"""Which of those columns says that the sender has to be told."""


def _columns(copy: Copy, outcome: Outcome, now: datetime, jitter: float) -> tuple[Any, ...]:
    """Return the new columns of one copy, in the order of `_SETTLE`.

    A copy that was turned away has not been tried: its claim is not counted as an attempt.
    """
    state, next_at, uncounted = State.DELIVERED, None, int(outcome.is_turned_away)
    if outcome.result is Result.FAILED:
        state = State.FAILED
    elif outcome.result is Result.HELD:
        state, uncounted = State.HELD, 1
    elif outcome.result is Result.DEFERRED:
        next_at = next_attempt(
            copy.attempts_made - uncounted,
            now=now,
            expires_at=copy.expires_at,
            jitter=jitter,
            not_before=outcome.not_before,
        )
        state = State.WAITING if next_at else State.FAILED
    expired = state is State.FAILED and outcome.result is Result.DEFERRED
    if expired:
        outcome = outcome.given_up()
    return (
        state.value,
        next_at,
        None if state in (State.WAITING, State.HELD) else now,
        outcome.code,
        "5.4.7" if expired else outcome.enhanced,
        outcome.last_reply,
        outcome.public,
        outcome.reason.value,
        _is_told(copy, state, outcome),
        uncounted,
    )


def _is_told(copy: Copy, state: State, outcome: Outcome) -> bool:
    """Return whether the sender is to get a report from here.

    RFC 3461 §5.2: a server that offers DSN reports a delivery itself.
    """
    if state is State.FAILED:
        return wants(copy.notify, Notify.FAILURE)
    has_to_tell = state is State.DELIVERED and bool(copy.notify)
    return has_to_tell and wants(copy.notify, Notify.SUCCESS) and not outcome.is_reported_by_host


def _adapted(change: tuple[Any, ...]) -> list[Any]:
    """Return parameters as a driver takes them that has no times and no UUIDs of its own."""
    ops = connection.ops
    return [
        ops.adapt_datetimefield_value(value)
        if isinstance(value, datetime)
        else (value.hex if isinstance(value, UUID) else value)
        for value in change
    ]


_NEVER_TRIED = "It could not be delivered for as long as mail is kept here."


def expire(*, now: datetime) -> int:
    """Fail copies whose message has been in the queue too long; the last reply is kept.

    Each gets a last try when its time is over, so this is for copies that nobody took for that.
    """
    with transaction.atomic():
        overdue = Recipient.objects.filter(
            state__in=DUE_STATES,
            message__expires_at__lt=now,
            next_attempt_at__lt=now - LAST_TRY_WITHIN,
        )
        # Whoever claims a copy right now gives it its last try.
        free = overdue.order_by("pk").select_for_update(skip_locked=True, of=("self",))
        overdue_keys = list(free.values_list("pk", flat=True)[:1000])
        failed = Recipient.objects.filter(pk__in=overdue_keys, state__in=DUE_STATES).update(
            state=State.FAILED,
            settled_at=now,
            next_attempt_at=None,
            enhanced="5.4.7",
            explanation=Case(
                When(explanation="", then=Value(_NEVER_TRIED)),
                default=F("explanation"),
                output_field=TextField(),
            ),
            notice_due=True,
        )
        if failed:
            enqueue(tasks.notify)
            webhook_events.note(overdue_keys, now=now)
            ended = Recipient.objects.filter(pk__in=overdue_keys)
            services.tell_owners(set(ended.values_list("message_id", flat=True)))
    return failed


def lost_content(copies: Iterable[Copy]) -> list[RecipientResult]:
    """Return the outcome for copies whose bytes are gone: nothing can be sent any more."""
    outcome = Outcome(
        result=Result.FAILED,
        scope=Scope.MESSAGE,
        code=554,
        enhanced="5.3.0",
        public="The content of this message is no longer here.",
    )
    return [RecipientResult(key=one.pk, outcome=outcome) for one in copies]
