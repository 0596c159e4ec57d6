"""RFC 8461 §5.1: before a policy makes mail fail, the domain is asked whether there is a newer one.

A domain that changes its mail hosts announces a new policy. Where the one that is held rules the
hosts out, or where REQUIRETLS finds nothing in it to rest on, the announcement is read once more;
if there is a newer policy, those copies are tried under it at once.
"""

from __future__ import annotations

from dataclasses import replace

from delivery.agent.job import AttemptReport, Job
from delivery.policy.facts import StsFacts, StsMode
from delivery.policy.modes import Mode
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.record import Mechanism

HELD = (StsMode.NONE, StsMode.TESTING, StsMode.ENFORCE)


def depends_on_policy(report: AttemptReport) -> bool:
    """Return whether a newer policy could turn the end of `report` for the better."""
    if report.facts.sts.mode not in HELD or not _rest(report):
        return False
    wants_proof = report.job.order.effective_mode in (Mode.REQUIRETLS, Mode.VERIFIED)
    blamed = {Mechanism.MTA_STS, Mechanism.TLS} if wants_proof else {Mechanism.MTA_STS}
    return any(attempt.stopped_by in blamed for attempt in report.attempts)


def is_news(found: StsFacts, known: StsFacts) -> bool:
    """Return whether `found` is another policy than `known`, not the same one held for longer."""
    return (found.mode, found.policy_id, found.mx) != (known.mode, known.policy_id, known.mx)


def job_for_rest(report: AttemptReport) -> Job:
    """Return the job for the copies that only the hosts stood in the way of."""
    rest = _rest(report)
    recipients = tuple(one for one in report.job.recipients if one.key in rest)
    return replace(report.job, recipients=recipients)


def joined(first: AttemptReport, second: AttemptReport) -> AttemptReport:
    """Return both tries as one report; where both speak of a copy, the second decides."""
    again = {result.key: result for result in second.results}
    earlier = (replace(attempt, sts=first.facts.sts) for attempt in first.attempts)
    return AttemptReport(
        job=first.job,
        facts=second.facts,
        attempts=(*earlier, *second.attempts),
        results=tuple(again.get(result.key, result) for result in first.results),
    )


def _rest(report: AttemptReport) -> set[int]:
    return {result.key for result in report.results if _is_open(result.outcome)}


def _is_open(outcome: Outcome) -> bool:
    return outcome.result is not Result.DELIVERED and outcome.scope is Scope.HOST
