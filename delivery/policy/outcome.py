"""How a try ended: for whom it counts, and whether trying again can help."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from delivery.policy.reasons import Reason

_WAITS = re.compile(r" The copy waits (?:until|for) [^.]*\.$")


class Result(StrEnum):
    """What a try means for the recipient."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    HELD = "held"
    """Nothing was tried: it would travel worse than was promised, and its sender decides."""


class Scope(StrEnum):
    """For whom a refusal speaks, and so what is tried next."""

    HOST = "host"
    """This MX host only: the next one may do better."""

    DOMAIN = "domain"
    """The recipient's domain as DNS describes it."""

    MESSAGE = "message"
    """This message, for all its recipients there."""

    RECIPIENT = "recipient"
    """This recipient alone."""

    TRANSPORT = "transport"
    """Our own way out: no verdict about anybody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one try for one recipient.

    `public` is a sentence for the sender; `private` may name our own configuration and is for
    operators. `reply` is the server's whole answer, or empty when no server spoke. `not_before`
    is set where nothing was tried, because the host is left alone until then.
    `is_reported_by_host` is set where a server took the message and offers DSN (RFC 3461): from
    there on it is that server's to say that the message arrived. `is_first_hop` is set where a
    relay speaks: what it says of a recipient is not the word of the recipient's own server.
    """

    result: Result
    scope: Scope
    code: int | None = None
    enhanced: str = ""
    reply: str = ""
    public: str = ""
    private: str = ""
    reason: Reason = Reason.NONE
    not_before: datetime | None = None
    is_reported_by_host: bool = False
    is_first_hop: bool = False

    @property
    def is_turned_away(self) -> bool:
        """Whether nothing was tried: then it counts for nothing but the wait."""
        return self.not_before is not None

    @property
    def is_final(self) -> bool:
        """Whether there is nothing left to try."""
        return self.result is not Result.DEFERRED

    @property
    def last_reply(self) -> str:
        """The server's whole reply, or our own sentence with its code where no server spoke."""
        if self.reply:
            return self.reply
        codes = " ".join(part for part in (str(self.code or ""), self.enhanced) if part)
        return f"{codes} {self.public}".strip()

    def given_up(self) -> Outcome:
        """Return the same for a copy whose time is over: what it waited for, it waits for no more."""
        over = " The copy waited for that as long as mail is kept here."
        return replace(self, public=_WAITS.sub(over, self.public))
