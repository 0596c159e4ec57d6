"""What the agent is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from delivery.agent.line import Line
from delivery.agent.route import NOTHING, Memory
from delivery.policy.facts import DomainFacts, SessionEvidence, StsFacts
from delivery.policy.memory import TlsHistory
from delivery.policy.modes import Order
from delivery.policy.outcome import Outcome
from delivery.policy.promise import Promise
from delivery.policy.record import Mechanism
from delivery.policy.transport import Transport
from delivery.smtp import Notify, Ret


class ContentSigner(Protocol):
    """Signs what is about to be sent; it never raises."""

    def __call__(self, content: bytes) -> bytes:
        """Return the signature fields to put in front of `content`; none if it can't be signed."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that have signed, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecipient:
    """One recipient: `key` comes back with the outcome, `address` goes on the wire.

    `domain` is that of the address as A-labels, if it is not the job's.
    """

    key: int
    address: str
    notify: frozenset[Notify] = frozenset()
    """What its sender wants to be told (RFC 3461 §4.1); passed on to servers that offer DSN."""

    orcpt: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One message for the recipients of one domain, or one relay, who share one order.

    `content` is the message with CRLF line endings, ready to send but for dot-stuffing. `sign`
    returns the signature fields to put in front of what really goes out; None leaves it unsigned.
    `account` says who shares the sessions fairly with whom; None is the installation itself.
    `memory` is what earlier tries at these recipients showed. `ret` and `envid` are passed on to
    servers that offer DSN (RFC 3461). No `transport` means plainly direct; where it is a relay,
    `domain` names that, and only the recipients know their own.
    """

    mail_from: str
    domain: str
    recipients: tuple[JobRecipient, ...]
    order: Order
    content: bytes
    history: TlsHistory | None = None
    """What the sender's account remembers of TLS with the domain."""

    has_8bit: bool = False
    needs_smtputf8: bool = False
    sign: ContentSigner | None = None
    account: int | None = None
    memory: Memory = NOTHING
    ret: Ret | None = None
    envid: str = ""
    log: Mapping[str, object] = field(default_factory=dict, compare=False)
    """What every line of the log about this job says: which message, copies and attempt."""
    promise: Promise | None = None
    """How these copies were to travel, if that is looked at again before anything connects."""
    transport: Transport | None = None
    line: Line = field(default_factory=Line, compare=False, repr=False)
    """Where it waits for its turns; further jobs for what is left of it stand in the same."""

    @property
    def is_about_domain(self) -> bool:
        """Whether what its sessions show is about the recipients' domain."""
        return self.transport is None or not self.transport.stands_alone

    @property
    def domains(self) -> Collection[str]:
        """The domains that this job is for, and what it goes to if that is none of them."""
        if self.transport is None or not self.transport.is_relay:
            return (self.domain,)
        return {self.domain, *(one.domain for one in self.recipients)}

    @property
    def recipient_domain(self) -> str:
        """The one domain of all recipients; empty if there are several."""
        domains = {one.domain or self.domain for one in self.recipients}
        return domains.pop() if len(domains) == 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientResult:
    """How one session ended for one recipient."""

    key: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAttempt:
    """One session with one host, or the reason why there was none: a row of the ledger.

    `host` is empty when no host could be tried at all (no such domain, null MX, DNS down).
    `evidence` is None when no EHLO was answered. `outcome` is the end of the session as a whole;
    `results` has the recipients this session decided, each with its own reply.
    """

    host: str
    address: str
    started_at: datetime
    duration_ms: int
    evidence: SessionEvidence | None
    requiretls_used: bool
    stopped_by: Mechanism
    outcome: Outcome
    results: tuple[RecipientResult, ...]
    transcript: str = ""
    mechanism: str = ""
    """By which it logged in, if it did."""

    locked_out: str = ""
    """Why no further log-in is tried, if the server does not take the transport's."""

    sts: StsFacts | None = None
    """The MTA-STS policy it went by, where the report rests on a newer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """Everything one try showed: the facts it rested on, its sessions, and every outcome.

    `results` has each recipient of the job exactly once. A host that was left alone is no attempt:
    who was turned away has a result and no attempt.
    """

    job: Job
    facts: DomainFacts
    attempts: tuple[HostAttempt, ...]
    results: tuple[RecipientResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What "Check now" showed: the facts, and one session per host that was tried."""

    facts: DomainFacts
    attempts: tuple[HostAttempt, ...]
