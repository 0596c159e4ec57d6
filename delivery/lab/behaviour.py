"""The words a profile is written in: how a domain's DNS, hosts and policy host behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from delivery.lab.ca import Showing
from delivery.lab.dns import DnsFault
from delivery.lab.zones import Signing
from delivery.smtp import EnhancedCode, Extensions, Reply

MAX_SIZE = 26_214_400

BARE = Extensions()
"""What a host announces that knows nothing but STARTTLS."""

USUAL = Extensions(
    size=MAX_SIZE,
    pipelining=True,
    eightbitmime=True,
    enhanced_status_codes=True,
    chunking=True,
    dsn=True,
)
"""What a host announces unless its profile says otherwise."""


def reply_of(line: str) -> Reply:
    """Read a reply of one line, such as "550 5.1.1 No such mailbox"."""
    code, _, text = line.partition(" ")
    enhanced = EnhancedCode.parse(text)
    if enhanced is not None:
        text = text.partition(" ")[2]
    return Reply(int(code), enhanced, (text,))


class TlsTrouble(StrEnum):
    """What goes wrong with STARTTLS."""

    NONE = "none"
    REFUSED = "refused"
    """454 in answer to the command."""

    PLAIN_TEXT = "plain-text"
    """220, and then no TLS."""

    INJECTION = "injection"
    """Forged replies in the same packet as the 220 (the flaw behind CVE-2011-0411)."""

    TLS10 = "tls10"
    LATE_ALERT = "late-alert"
    """TLS 1.3 is up for the client when the server refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """A host's STARTTLS; with `sessions`, it is announced in the first so many sessions only."""

    showing: Showing = Showing.PUBLIC
    trouble: TlsTrouble = TlsTrouble.NONE
    sessions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply given instead of the usual one; then the host may close without another word."""

    line: str
    closes: bool = False

    @property
    def reply(self) -> Reply:
        """The reply as a value."""
        return reply_of(self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """One host's SMTP.

    `extensions` are announced; STARTTLS and, inside TLS, REQUIRETLS come from `tls` and
    `has_requiretls`. `answers` has replies by verb; "" is the greeting, "BDAT" a chunk
    that is not the last, "." the end of content. Seconds are multiplied by the lab's pace.
    """

    tls: Tls | None = field(default_factory=Tls)
    extensions: Extensions = USUAL
    has_requiretls: bool = False
    answers: Mapping[str, Answer] = field(default_factory=lambda: MappingProxyType({}))
    most_recipients: int = 1000
    is_greylisting: bool = False
    greets_after: float = 0.0
    answers_after: float = 0.0
    accepts_after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One listener: `label` is its DNS name in the domain, `name` what records call it."""

    label: str = "mx"
    name: str = ""
    is_ipv6: bool = False
    is_listening: bool = True
    smtp: Smtp = field(default_factory=Smtp)

    @property
    def key(self) -> str:
        """The placeholder of its address in DNS lines."""
        return self.name or ("mx" if self.label == "@" else self.label)


class StsTrouble(StrEnum):
    """What goes wrong at the policy host."""

    NONE = "none"
    ERROR_500 = "error-500"
    REDIRECT = "redirect"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sts:
    """An MTA-STS policy (RFC 8461 §3.2)."""

    mode: str = "enforce"
    mx: tuple[str, ...] = ("mx.{domain}",)
    max_age: int = 604_800
    trouble: StsTrouble = StsTrouble.NONE

    def document(self, domain: str) -> str:
        """Return the policy as its host serves it."""
        hosts = (f"mx: {name.format(domain=domain)}" for name in self.mx)
        lines = ("version: STSv1", f"mode: {self.mode}", *hosts, f"max_age: {self.max_age}")
        return "".join(f"{line}\r\n" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One domain of the lab.

    `records` are the lines of its zone, which is `<name>.test` unless `zone` says otherwise;
    `signing` None means that there is no such zone. `parent_records` go into the zone `test`.
    """

    name: str
    description: str
    records: tuple[str, ...]
    signing: Signing | None = Signing.UNSIGNED
    zone: str = ""
    parent_records: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = (Host(),)
    sts: Sts | None = None
    dns_faults: tuple[DnsFault, ...] = ()

    @property
    def domain(self) -> str:
        """The domain to write to."""
        return f"{self.name}.test"

    @property
    def origin(self) -> str:
        """The name of its zone."""
        return self.zone or self.domain

    def host_name(self, host: Host) -> str:
        """Return the DNS name of one of its hosts."""
        return self.origin if host.label == "@" else f"{host.label}.{self.origin}"
