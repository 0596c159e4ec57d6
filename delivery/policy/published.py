"""What a domain can publish to protect mail to it, as far as its history tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PolicyKind(StrEnum):
    """What kind of policy a domain published."""

    MTA_STS = "mta-sts"
    TLSA = "tlsa"


class PublishedMode(StrEnum):
    """What a policy asks of those who send: MTA-STS says so itself, TLSA records by their kind."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"
    USABLE = "usable"
    UNUSABLE = "unusable"


PROTECTING = (PublishedMode.ENFORCE, PublishedMode.USABLE)
"""The modes that keep mail from whoever can't prove to be the right server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostPolicy:
    """A protection that a domain published and does not any more."""

    domain: str
    kind: PolicyKind
    first_seen_at: datetime
    last_seen_at: datetime
    gone_at: datetime
