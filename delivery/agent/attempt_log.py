"""One line of the log for each session with a mail server, or for the reason why there was none."""

from __future__ import annotations

import logging

from delivery.agent.job import HostAttempt
from delivery.policy.outcome import Result

logger = logging.getLogger(__name__)


def tell_of(attempt: HostAttempt, session: str) -> None:
    """Log how a session ended: what went well at debug only, it is told in bulk later."""
    outcome = attempt.outcome
    is_well = outcome.result is Result.DELIVERED
    level = logging.DEBUG if is_well else logging.INFO
    if not logger.isEnabledFor(level):
        return
    tls = attempt.evidence.tls if attempt.evidence else None
    fields = {
        "session": session,
        "host": attempt.host,
        "address": attempt.address,
        "outcome": outcome.result.value,
        "scope": outcome.scope.value,
        "code": outcome.code,
        "enhanced": outcome.enhanced,
        "reason": outcome.reason.value,
        "stopped_by": attempt.stopped_by.value,
        "tls": tls.version if tls else "",
        "milliseconds": attempt.duration_ms,
        "answer": outcome.last_reply,
    }
    said = {name: value for name, value in fields.items() if value not in ("", None)}
    logger.log(level, "attempt ended", extra=said)
