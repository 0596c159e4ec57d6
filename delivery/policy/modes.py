"""What the sender asks for: the TLS mode of each copy, and the account's standing rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """How strictly one recipient's copy is sent. The order is from least to most."""

    OPTIONAL = "optional"
    """RFC 8689 §3, "TLS-Required: No": delivery matters more than protection."""

    DEFAULT = "default"
    """The recipient's own policy, else TLS if offered, else plain text if the account allows it."""

    VERIFIED = "verified"
    """TLS proven to end at the recipient's MX, enforced here; nothing is asked of the server."""

    REQUIRETLS = "requiretls"
    """RFC 8689 §4.2.1: verified TLS, and the server must promise the same for every later hop."""

    @property
    def strictness(self) -> int:
        """A number to compare modes by; the mode with the larger one protects better."""
        return list(Mode).index(self)


class BrokenTls(StrEnum):
    """What an account wants when a recipient's published TLS policy is broken."""

    ASK = "ask"
    AUTOMATIC = "automatic"
    NEVER = "never"


class PledgeKind(StrEnum):
    """What an account promised itself about a domain or address."""

    VERIFIED = "verified"
    """Never without verified TLS."""

    PLAIN = "plain"
    """Plain text is fine, whatever the account's general rule says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPolicy:
    """The account's rules at the moment a message was handed over; stored with it."""

    allows_plain_text: bool = True
    accepts_pkix: bool = False
    """Verified may also rest on a trusted certificate for an MX name learnt over insecure DNS."""

    lifetime_hours: int | None = None
    """How long its mail is tried, counted from release; None: as long as the installation says."""

    def as_json(self) -> dict[str, Any]:
        """Return the form that is stored with a message."""
        return {
            "allows_plain_text": self.allows_plain_text,
            "accepts_pkix": self.accepts_pkix,
            "lifetime_hours": self.lifetime_hours,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> SenderPolicy:
        """Read what `as_json` wrote; rules that did not exist then have their default."""
        return cls(
            allows_plain_text=stored.get("allows_plain_text", True),
            accepts_pkix=stored.get("accepts_pkix", False),
            lifetime_hours=stored.get("lifetime_hours"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is demanded for one copy: the mode, the pledge for its address, the account's rules."""

    mode: Mode = Mode.DEFAULT
    pledge: PledgeKind | None = None
    sender: SenderPolicy = SenderPolicy()

    @property
    def allows_plain_text(self) -> bool:
        """Whether this copy may travel unencrypted where nothing published forbids it."""
        if self.mode is Mode.OPTIONAL:
            return self.pledge is not PledgeKind.VERIFIED
        if self.pledge is not None:
            return self.pledge is PledgeKind.PLAIN
        return self.sender.allows_plain_text

    @property
    def outweighs_history(self) -> bool:
        """Whether the sender allowed plain text although TLS was there before (`memory.py`)."""
        return self.effective_mode is Mode.OPTIONAL or self.pledge is PledgeKind.PLAIN

    @property
    def effective_mode(self) -> Mode:
        """The mode after the pledge: a pledge of verified TLS is a floor under every mode."""
        floor = (
            self.pledge is PledgeKind.VERIFIED and self.mode.strictness < Mode.VERIFIED.strictness
        )
        return Mode.VERIFIED if floor else self.mode
