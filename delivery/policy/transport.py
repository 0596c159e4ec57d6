"""Ways out: how a copy leaves this installation, as frozen values.

Two kinds go on to the recipient's own servers, with all that is known about them: *direct*, and
*socks* through a proxy. Three hand the copy to a relay, which does with it what it likes: what a
session with a relay shows is about the first hop only, never about the recipient's domain. The
last one refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from delivery.policy.outcome import Outcome, Result, Scope


class Kind(StrEnum):
    """How a transport delivers."""

    DIRECT = "direct"
    """To the recipient's MX hosts, with source addresses of its own."""

    RELAY = "relay"
    """SMTP to a host that passes mail on; TLS by STARTTLS, if its rule does not insist."""

    SUBMISSION = "submission"
    """STARTTLS is required (RFC 6409)."""

    SUBMISSIONS = "submissions"
    """TLS from the first octet on (RFC 8314)."""

    SOCKS = "socks"
    """To the recipient's MX hosts through a SOCKS5 proxy (RFC 1928)."""

    FAIL = "fail"
    """Every copy gets the reply that is set here."""


RELAYING = frozenset({Kind.RELAY, Kind.SUBMISSION, Kind.SUBMISSIONS})
DEFAULT_PORTS = {Kind.RELAY: 25, Kind.SUBMISSION: 587, Kind.SUBMISSIONS: 465, Kind.SOCKS: 1080}

DIRECT = "direct"
"""What a copy's transport is called if an operator wants it to go straight to its MX hosts."""

LOCAL = "local"
"""What it is called once a copy was filed here."""

ROUTES = "routes"
"""How operators call it when a copy has no transport of its own, so that the routes decide."""

RESERVED = frozenset({DIRECT, LOCAL, ROUTES})


class TlsRule(StrEnum):
    """What TLS with a relay must show."""

    VERIFIED = "verified"
    """By DANE where its TLSA records are secure, else by a trusted certificate for its name."""

    ENCRYPTED = "encrypted"
    """TLS, to whoever answers."""

    MAY = "may"
    """TLS if it is offered; only for relays without a password."""


class Families(StrEnum):
    """Which address families mail leaves by."""

    BOTH = "both"
    IPV4 = "ipv4"
    IPV6 = "ipv6"

    def has(self, address: str) -> bool:
        """Return whether `address` is of one of them."""
        return self is Families.BOTH or (":" in address) == (self is Families.IPV6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who logs in, and the mechanisms that may be used for it, strongest first.

    No mechanisms means the usual ones. Where one is `pinned`, no weaker one will do, so that nobody
    in between can talk us into one. `proven` has hosts, each with the strongest that was ever used
    there, and so is pinned as well. Where the log-in `renews`, the secret is a token that whoever
    logs in gets first: until then it is empty.
    """

    username: str
    secret: str = field(repr=False)
    mechanisms: tuple[str, ...] = ()
    pinned: str = ""
    proven: tuple[tuple[str, str], ...] = ()
    renews: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """One way out.

    `hosts` are tried in their order. `barred` is set where nothing may be tried now: what its
    copies are told. `version` changes whenever the transport does, so that no session outlives
    the settings it was opened with.
    """

    name: str
    kind: Kind
    version: int = 0
    hosts: tuple[str, ...] = ()
    port: int = 0
    tls: TlsRule = TlsRule.VERIFIED
    families: Families = Families.BOTH
    sources: tuple[str, ...] = ()
    ehlo_name: str = ""
    credentials: Credentials | None = None
    refusal: Outcome | None = None
    """Of `fail`: what every copy gets."""

    barred: Outcome | None = None

    @property
    def is_relay(self) -> bool:
        """Whether others take the copy on from the first hop."""
        return self.kind in RELAYING

    @property
    def stands_alone(self) -> bool:
        """Whether the recipient's domain is not looked up at all."""
        return self.kind in RELAYING or self.kind is Kind.FAIL or self.barred is not None

    def domain_of_job(self, domain: str) -> str:
        """Return for what domain copies leave together by this way: a relay takes all of them."""
        return self.gate(self.hosts[0]) if self.is_relay and self.hosts else domain

    @property
    def key(self) -> tuple[str, int]:
        """What two values have in common if the same session may serve both."""
        return self.name, self.version

    def gate(self, host: str) -> str:
        """Return the name under which the health of `host` by this way is remembered."""
        if self.is_relay:
            return f"{host}:{self.port}"
        through = f" through {self.name}" if self.kind is Kind.SOCKS else ""
        return f"{host[: 253 - len(through)]}{through}"

    def rule(self) -> TlsRule:
        """Return what TLS must show: a password never goes to somebody who proved nothing."""
        if self.credentials is not None:
            return TlsRule.VERIFIED
        is_submission = self.kind in (Kind.SUBMISSION, Kind.SUBMISSIONS)
        return TlsRule.ENCRYPTED if is_submission and self.tls is TlsRule.MAY else self.tls


def refusing(code: int, enhanced: str, text: str) -> Outcome:
    """Return what a transport of kind `fail` answers: for now, or for good, as its code says."""
    return Outcome(
        result=Result.FAILED if code >= 500 else Result.DEFERRED,
        scope=Scope.TRANSPORT,
        code=code,
        enhanced=enhanced,
        public=text,
    )


def barred_sentence(name: str, why: str) -> str:
    """Return what a copy that waits for a transport is told; it begins like all of these."""
    return f"{waits_for(name)} {why}"


def waits_for(name: str) -> str:
    """Return how every sentence begins that says that a copy waits for this transport."""
    return f"The transport “{name}”"
