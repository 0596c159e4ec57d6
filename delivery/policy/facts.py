"""What look-ups say about a domain and its hosts, and what one session showed.

These values cross every border: the agent makes them, policy judges them, services store
them. Each has an `unchecked` or `unknown` member, so that "nobody looked" is never mistaken
for "not there".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from delivery.policy.reasons import Reason


class Dnssec(StrEnum):
    """What DNSSEC says about an answer."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    UNCHECKED = "unchecked"
    """Our resolver does not validate, or its word is not trusted."""


class StsMode(StrEnum):
    """The MTA-STS policy that applies (RFC 8461 §5)."""

    ABSENT = "absent"
    NONE = "none"
    TESTING = "testing"
    ENFORCE = "enforce"
    ERROR = "error"
    """The look-up failed, so nothing can be said; treated as no policy (RFC 8461 §3.3)."""


class TlsaState(StrEnum):
    """What was found at `_25._tcp.<host>` (RFC 7672 §2.2)."""

    USABLE = "usable"
    UNUSABLE = "unusable"
    """Records are there, none can be used: TLS is mandatory, but proves nobody."""

    ABSENT = "absent"
    ERROR = "error"
    """The look-up failed: the host must not be used (RFC 7672 §2.1.2)."""

    UNCHECKED = "unchecked"
    """Not asked, because the answers before it were not secure or our resolver does not validate."""


class DnsFailure(StrEnum):
    """Why a domain has no hosts to try."""

    NXDOMAIN = "nxdomain"
    NULL_MX = "null-mx"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"
    ALIAS_LOOP = "alias-loop"
    OWN_HOST = "own-host"
    NO_ADDRESS = "no-address"


class Part(StrEnum):
    """The parts of a look-up, which arrive one after the other."""

    MX = "mx"
    DANE = "dane"
    MTA_STS = "mta_sts"


ALL_PARTS = frozenset(Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsaRecord:
    """One TLSA record (RFC 6698 §2.1)."""

    usage: int
    selector: int
    matching_type: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching_type} {self.data.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StsFacts:
    """The MTA-STS policy of a domain as the cache holds it."""

    mode: StsMode
    policy_id: str = ""
    mx: tuple[str, ...] = ()
    reason: Reason = Reason.NONE
    detail: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One MX host as DNS describes it."""

    name: str
    preference: int
    addresses: tuple[str, ...] = ()
    dnssec: Dnssec = Dnssec.UNCHECKED
    tlsa_state: TlsaState = TlsaState.UNCHECKED
    tlsa: tuple[TlsaRecord, ...] = ()
    tlsa_names: tuple[str, ...] = ()
    """Names a DANE-TA certificate may carry; the first is sent as SNI (RFC 7672 §3.2.2)."""

    failure: DnsFailure | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """Everything looked up about a recipient domain at one moment.

    `hosts` is in the order in which they are tried. If `failure` is set there are none, and
    `detail` holds the resolver's words, extended DNS errors included (RFC 8914). While a look-up
    runs, `parts` names what has been answered; the rest has its default and means nothing yet.
    """

    domain: str
    looked_up_at: datetime
    dnssec: Dnssec = Dnssec.UNCHECKED
    hosts: tuple[HostFacts, ...] = ()
    sts: StsFacts = StsFacts(mode=StsMode.ABSENT)
    failure: DnsFailure | None = None
    detail: str = ""
    is_implicit_mx: bool = False
    parts: frozenset[Part] = ALL_PARTS

    @property
    def is_complete(self) -> bool:
        """Whether every part has been answered."""
        return self.parts == ALL_PARTS


class Starttls(StrEnum):
    """What became of STARTTLS in one session. *Not offered* and *failed* are different facts."""

    OFFERED = "offered"
    NOT_OFFERED = "not_offered"
    FAILED = "failed"
    """Offered, but the handshake or the answer to STARTTLS broke."""

    UNKNOWN = ""
    """The session ended before EHLO was answered."""


class Proof(StrEnum):
    """What proved who answered."""

    DANE_EE = "dane-ee"
    DANE_TA = "dane-ta"
    STS_PKIX = "sts-pkix"
    PKIX = "pkix"


def proves_server(proofs: frozenset[Proof], mx: Dnssec, reason: Reason) -> bool:
    """Return whether `proofs` tie the server to the recipient's domain.

    A trusted certificate for the MX name does so only if that name came over secure DNS (who can
    forge the MX answer can have a certificate for the name in it), and if nothing that the
    domain publishes says otherwise: `reason` is empty. One that fits MTA-STS never makes up for
    DANE that fails (RFC 8461 §2); records of DANE that nobody can use do not count against it.
    """
    if Proof.STS_PKIX in proofs and reason not in (Reason.NONE, Reason.TLSA_INVALID):
        return False
    certified = Proof.PKIX in proofs and mx is Dnssec.SECURE and reason is Reason.NONE
    return certified or bool(proofs - {Proof.PKIX})


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """The certificate a server showed, as people can check it."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_after: datetime
    fingerprint: str
    """SHA-256 of the certificate, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsEvidence:
    """What one handshake showed, whether or not anything required it."""

    starttls: Starttls
    version: str = ""
    cipher: str = ""
    proofs: frozenset[Proof] = frozenset()
    reason: Reason = Reason.NONE
    """The first thing wrong: STARTTLS itself, or else DANE where it was published, or else PKIX."""

    detail: str = ""
    pkix_reason: Reason = Reason.NONE
    dane_reason: Reason = Reason.NONE
    certificate: CertificateFacts | None = None

    @property
    def is_encrypted(self) -> bool:
        """Whether the session ran over TLS."""
        return bool(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvidence:
    """What one session with one host showed."""

    host: str
    tls: TlsEvidence
    offers_requiretls: bool = False
    """Announced in the EHLO answer over TLS; what is said in clear text does not count."""

    extensions: frozenset[str] = field(default_factory=frozenset)
