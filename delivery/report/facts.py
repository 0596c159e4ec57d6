"""What a report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from delivery.policy.modes import Mode
from delivery.policy.reasons import Reason

EXPIRED = "5.4.7"
"""RFC 3463 §3.5: delivery time expired."""


class Action(StrEnum):
    """What became of a recipient's copy (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    HELD = "held"
    """It waits here for a word of its sender: nothing was tried, so this is no status report."""

    RELAYED = "relayed"
    """Taken by a server that will not say how it went on."""

    @property
    def status_class(self) -> str:
        """The class that its status has."""
        return {Action.FAILED: "5", Action.DELAYED: "4"}.get(self, "2")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientReport:
    """What became of one copy, and why.

    `address` is as the sender wrote it and `domain` its domain as A-labels. `explanation` is our
    own sentence. `reply` is the server's whole reply, with its codes in every line; empty where
    none spoke. `next_attempt_at` is set for a copy that waits.
    """

    address: str
    domain: str
    action: Action
    explanation: str = ""
    reply: str = ""
    enhanced: str = ""
    reason: Reason = Reason.NONE
    mode: Mode = Mode.DEFAULT
    server: str = ""
    server_address: str = ""
    attempts: int = 0
    last_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    orcpt: str = ""

    @property
    def is_expired(self) -> bool:
        """Whether it was tried until its time was over."""
        return self.action is Action.FAILED and self.enhanced == EXPIRED

    @property
    def status(self) -> str:
        """The enhanced code, in the class that fits what became of it."""
        class_ = self.action.status_class
        return self.enhanced if self.enhanced.startswith(f"{class_}.") else f"{class_}.0.0"

    @property
    def reply_lines(self) -> tuple[str, ...]:
        """The lines of the server's reply that say anything."""
        return tuple(line for line in self.reply.splitlines() if line.strip())

    @property
    def server_in_full(self) -> str:
        """The name of the server with its address."""
        return f"{self.server} ({self.server_address})" if self.server_address else self.server


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything one report says; its recipients share one outcome.

    `total` counts all recipients of the message. `original` is the message, which has `size_bytes`,
    or the beginning of it; with `returns_content` the report encloses all of it if it may and if it
    is not too large. `release_at` is when the sender asked for it to leave, `expires_at` when it is given up.
    """

    hostname: str
    report_id: str
    to: str
    subject: str
    original_id: str
    original: bytes
    size_bytes: int
    queued_at: datetime
    expires_at: datetime
    now: datetime
    recipients: tuple[RecipientReport, ...]
    total: int
    outbox_url: str = ""
    release_at: datetime | None = None
    envid: str = ""
    returns_content: bool = False
    requires_tls: bool = False
    """Whether the original asked for protection on its whole way (RFC 8689 §2)."""

    is_international: bool = False
    """Whether the original needed SMTPUTF8: then its sender can read a report that does."""

    @property
    def action(self) -> Action:
        """What the recipients have in common."""
        return self.recipients[0].action

    @property
    def began_at(self) -> datetime:
        """When the message could first leave."""
        return max(self.release_at or self.queued_at, self.queued_at)
