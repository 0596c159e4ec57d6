"""Counting what the agent does and what its reports show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

from django.dispatch import receiver

from delivery import metrics
from delivery.agent.answers import Answer
from delivery.agent.health import Health
from delivery.agent.job import AttemptReport, HostAttempt
from delivery.metrics import Door, Ignored, RequireTlsRefusal, Submission, TlsPolicy
from delivery.policy.facts import (
    Dnssec,
    HostFacts,
    Proof,
    SessionEvidence,
    StsFacts,
    StsMode,
    TlsaState,
)
from delivery.policy.modes import Mode
from delivery.policy.mtasts import matches_any
from delivery.policy.outcome import Result
from delivery.policy.record import Mechanism
from delivery.refusals import LimitReachedError
from delivery.signals import delivery_settled
from delivery.smtp import Kind
from mailweb.lib.errors import UserError
from mailweb.lib.meters import Tally

BEAT_SECONDS = 1.0

_NOT_LOOKED_UP = HostFacts(name="", preference=0)
_BY_DANE = frozenset({Proof.DANE_EE, Proof.DANE_TA})


class Meter:
    """Counts for one agent; the `Observer` of it. Used on one thread, flushed now and then."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._beat_at = 0.0

    def dns_answered(self, answer: Answer, seconds: float) -> None:
        """Count a question to the resolver."""
        result = metrics.BOGUS if answer.dnssec is Dnssec.BOGUS else answer.status.value
        self._tally.time(metrics.DNS_SECONDS, seconds, answer.kind, result)

    def policy_fetched(self, reason: str) -> None:
        """Count a fetch of an MTA-STS policy."""
        self._tally.count(metrics.STS_FETCHES, reason or metrics.SUCCESS)

    def session_began(self, how: str) -> None:
        """Count a session for a message."""
        self._tally.count(metrics.SESSIONS_BEGUN, how)

    def command_answered(self, kind: Kind, code: int, seconds: float) -> None:
        """Count a reply."""
        command = kind.value
        self._tally.time(metrics.COMMAND_SECONDS, seconds, command)
        self._tally.count(metrics.REPLIES, command, _class(code))

    def logged_in(self, mechanism: str, result: str) -> None:
        """Count a log-in at a relay."""
        self._tally.count(metrics.SASL_LOGINS, mechanism, result)

    def reports(self, reports: Iterable[AttemptReport]) -> None:
        """Count what deliveries showed and how they ended."""
        for report in reports:
            mode = report.job.order.effective_mode
            for result in report.results:
                self._tally.count(metrics.SETTLED, result.outcome.result.value)
            for attempt in report.attempts:
                self._attempt(report, attempt, mode)

    def beat(
        self, seconds: float, sessions: tuple[int, int], health: Health, now: datetime
    ) -> None:
        """Once a second, add up what was counted, and say how things are."""
        if seconds - self._beat_at < BEAT_SECONDS:
            return
        self._beat_at = seconds
        self.flush()
        self._levels(sessions, health.breakers(now))

    def rest(self) -> None:
        """The agent is gone, and so are its sessions."""
        self.flush()
        self._levels((0, 0), {})

    def _levels(self, sessions: tuple[int, int], breakers: Mapping[str, int]) -> None:
        for state, number in zip(("busy", "idle"), sessions, strict=True):
            metrics.SESSIONS.set(number, state)
        for state in metrics.HOSTS.labels["breaker"]:
            metrics.HOSTS.set(breakers.get(state, 0), state)

    def flush(self) -> None:
        """Add it all to what everybody has counted."""
        self._tally.flush()

    def _attempt(self, report: AttemptReport, attempt: HostAttempt, mode: Mode) -> None:
        count, outcome = self._tally.count, attempt.outcome
        facts, is_direct = report.facts, report.job.is_about_domain
        count(metrics.ATTEMPTS, outcome.result.value, outcome.scope.value)
        seconds = attempt.duration_ms / 1000
        self._tally.time(metrics.DELIVERY_SECONDS, seconds, outcome.result.value, mode.value)
        host = next((one for one in facts.hosts if one.name == attempt.host), _NOT_LOOKED_UP)
        shown = tls_result(attempt)
        if shown:
            published = policy_of(host, attempt.sts or facts.sts)
            policy = published if is_direct else TlsPolicy.RELAY
            count(metrics.TLS_SESSIONS, policy.value, shown)
        if attempt.evidence is not None:
            count(metrics.TLS_VERSIONS, attempt.evidence.tls.version or metrics.PLAIN)
            for proof in attempt.evidence.tls.proofs:
                count(metrics.TLS_VERIFIED, proof.value)
        if mode is Mode.REQUIRETLS and attempt.stopped_by is not Mechanism.NONE:
            count(metrics.REQUIRETLS_REFUSED, refusal(attempt).value)
        if not is_direct or mode is not Mode.OPTIONAL:
            return
        if outcome.result is Result.DELIVERED and attempt.evidence:
            for ignored in overridden(host, attempt.sts or facts.sts, attempt.evidence):
                count(metrics.TLS_REQUIRED_OVERRIDES, ignored.value)


@contextmanager
def submission(door: Door) -> Iterator[None]:
    """Count what becomes of a message that is handed over by `door`; also a decorator."""
    result = Submission.BROKEN
    try:
        yield
        result = Submission.ACCEPTED
    except UserError as error:
        result = Submission.LIMITED if isinstance(error, LimitReachedError) else Submission.REFUSED
        raise
    finally:
        metrics.SUBMISSIONS.add(door.value, result.value)


@receiver(delivery_settled)
def count_notice(kind: str, **_: object) -> None:
    """Count that somebody is told how a message ended."""
    metrics.NOTICES.add(kind)


def tls_result(attempt: HostAttempt) -> str:
    """Return the result type of a session (RFC 8460 §4.3), or "" if it never got to TLS.

    A host that was passed over because of a policy counts by that reason.
    """
    if attempt.evidence is None:
        return attempt.outcome.reason.value
    tls = attempt.evidence.tls
    return tls.reason.value or (metrics.SUCCESS if tls.is_encrypted else "")


def policy_of(host: HostFacts, sts: StsFacts) -> TlsPolicy:
    """Return what a domain publishes about TLS with one of its hosts."""
    has_dane = host.tlsa_state in (TlsaState.USABLE, TlsaState.UNUSABLE, TlsaState.ERROR)
    if sts.mode is StsMode.ENFORCE:
        return TlsPolicy.BOTH if has_dane else TlsPolicy.STS
    if has_dane:
        return TlsPolicy.DANE
    return TlsPolicy.STS_TESTING if sts.mode is StsMode.TESTING else TlsPolicy.NONE


def refusal(attempt: HostAttempt) -> RequireTlsRefusal:
    """Return why a host did not get mail that requires TLS."""
    evidence = attempt.evidence
    if evidence is None:
        if attempt.stopped_by is Mechanism.DANE:
            return RequireTlsRefusal.DANE_UNANSWERED
        is_final = attempt.outcome.result is Result.FAILED
        return RequireTlsRefusal.NO_POLICY if is_final else RequireTlsRefusal.POLICY_UNKNOWN
    if not evidence.tls.is_encrypted:
        return RequireTlsRefusal.NO_TLS
    if attempt.stopped_by is Mechanism.TLS and not evidence.offers_requiretls:
        return RequireTlsRefusal.NOT_OFFERED
    return RequireTlsRefusal.NOT_VERIFIED


def overridden(host: HostFacts, sts: StsFacts, shown: SessionEvidence) -> Iterator[Ignored]:
    """Yield what a delivery in mode "TLS optional" set aside."""
    proofs, is_encrypted = shown.tls.proofs, shown.tls.is_encrypted
    enforces = sts.mode is StsMode.ENFORCE
    if host.tlsa_state is TlsaState.ERROR:
        yield Ignored.DANE_UNANSWERED
    if host.tlsa_state is TlsaState.USABLE and not proofs & _BY_DANE:
        yield Ignored.DANE_CERTIFICATE
    if enforces and not matches_any(host.name, sts.mx):
        yield Ignored.STS_HOST
    elif enforces and Proof.STS_PKIX not in proofs and is_encrypted:
        yield Ignored.STS_CERTIFICATE
    if not is_encrypted and (enforces or host.tlsa_state in (TlsaState.USABLE, TlsaState.UNUSABLE)):
        yield Ignored.PLAIN_TEXT


@lru_cache(maxsize=1000)
def _class(code: int) -> str:
    return f"{code // 100}xx"
