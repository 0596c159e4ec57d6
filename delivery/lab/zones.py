"""The lab's zones: built from lines of text, really signed, with DS records in their parents."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Iterable

    import dns.node
    import dns.rdataset

TTL = 60
_START = (
    "@ {ttl} IN SOA ns.test. hostmaster.test. 1 3600 600 86400 30",
    "@ {ttl} IN NS ns.test.",
)
_OWN_LINES = (
    "ns A 127.0.0.1",
    "mailweb MX 10 mx.mailweb",
    'mailweb TXT "v=spf1 ip4:127.0.0.1 -all"',
    '_dmarc.mailweb TXT "v=DMARC1; p=quarantine"',
    "mx.mailweb A 127.0.0.1",
)
"""The name server, and the domain whose people write to all the others."""


class Signing(StrEnum):
    """How a zone stands to DNSSEC."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    BOGUS = "bogus"
    """Signed, but the DS record in the parent is for another key."""

    EXPIRED = "expired"
    """Signed, but so long ago that the signatures have run out."""


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(kw_only=True)
class Zone:
    """One zone: its records as lines, relative to `origin`; signed when first asked."""

    origin: dns.name.Name
    lines: tuple[str, ...]
    signing: Signing
    now: dt.datetime
    key: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    delegations: list[Zone] = field(default_factory=list)

    @property
    def is_signed(self) -> bool:
        """Whether its answers carry signatures, good or bad."""
        return self.signing is not Signing.UNSIGNED

    @cached_property
    def data(self) -> dns.zone.Zone:
        """The records, delegations and signatures included."""
        delegations = (line for zone in self.delegations for line in zone.delegation())
        lines = (f"{name} {TTL} IN {rest}" for name, _, rest in _split(self.lines))
        start = (line.format(ttl=TTL) for line in _START)
        text = "\n".join([*start, *lines, *delegations]) + "\n"
        zone = dns.zone.from_text(text, origin=self.origin, relativize=False)
        if self.is_signed:
            self._sign(zone)
        return zone

    def _sign(self, zone: dns.zone.Zone) -> None:
        age = dt.timedelta(days=100 if self.signing is Signing.EXPIRED else 1)
        dns.dnssec.sign_zone(
            zone,
            keys=[(self.key, self._dnskey(self.key))],
            inception=self.now - age,
            expiration=self.now - age + dt.timedelta(days=90),
        )

    @staticmethod
    def _dnskey(key: ec.EllipticCurvePrivateKey) -> dns.rdtypes.ANY.DNSKEY.DNSKEY:
        return dns.dnssec.make_dnskey(
            key.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257
        )

    @property
    def ds(self) -> str:
        """The DS record a parent has for this zone; for a bogus one it fits no key."""
        key = _key() if self.signing is Signing.BOGUS else self.key
        record = dns.dnssec.make_ds(self.origin, self._dnskey(key), "SHA256")
        return str(record.to_text())

    def delegation(self) -> tuple[str, ...]:
        """The lines a parent needs to know of this zone."""
        name_server = f"{self.origin} {TTL} IN NS ns.test."
        if not self.is_signed:
            return (name_server,)
        return (name_server, f"{self.origin} {TTL} IN DS {self.ds}")

    def node(self, name: dns.name.Name) -> dns.node.Node | None:
        """Return what is at `name`."""
        return self.data.get_node(name)

    def rrset(
        self,
        name: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
        covers: dns.rdatatype.RdataType = dns.rdatatype.NONE,
    ) -> dns.rrset.RRset | None:
        """Return one set of records, or None."""
        return self.data.get_rrset(name, rdtype, covers)

    def has_below(self, name: dns.name.Name) -> bool:
        """Whether a name below `name` exists, so that `name` does too, if without records."""
        return any(other.is_subdomain(name) for other in self.data.nodes)

    def exists(self, name: dns.name.Name) -> bool:
        """Whether there is such a name, wildcards aside."""
        return self.node(name) is not None or self.has_below(name)

    def wildcard_for(self, name: dns.name.Name) -> dns.name.Name:
        """Return the one wildcard that could stand for `name`, which does not exist (RFC 4592)."""
        closest = name.parent()
        while not self.exists(closest):
            closest = closest.parent()
        return dns.name.Name((b"*", *closest.labels))

    @cached_property
    def _names_with_nsec(self) -> list[dns.name.Name]:
        return [
            name
            for name, node in self.data.nodes.items()
            if node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.NSEC)
        ]

    def name_before(self, name: dns.name.Name) -> dns.name.Name:
        """Return `name`, or the last name before it, whose NSEC proves that it does not exist."""
        return max(other for other in self._names_with_nsec if other <= name)


def txt_line(name: str, text: str) -> str:
    """Return a line of the zone `test` with a TXT record, whose strings DNS keeps short."""
    strings = (text[start : start + 255] for start in range(0, len(text), 255))
    return f"{name.removesuffix('.test')} TXT " + " ".join(f'"{each}"' for each in strings)


def _split(lines: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    return (line.partition(" ") for line in lines)


class Zones:
    """All zones of one lab below a signed root; `profile_zones` are delegated from `test`."""

    def __init__(
        self, profile_zones: Iterable[Zone], *, test_lines: tuple[str, ...], now: dt.datetime
    ) -> None:
        leaves = list(profile_zones)
        test = Zone(
            origin=dns.name.from_text("test."),
            lines=(*_OWN_LINES, *test_lines),
            signing=Signing.SIGNED,
            now=now,
            delegations=leaves,
        )
        self.root = Zone(
            origin=dns.name.root, lines=(), signing=Signing.SIGNED, now=now, delegations=[test]
        )
        self._zones = {zone.origin: zone for zone in (self.root, test, *leaves)}

    @property
    def trust_anchor(self) -> str:
        """The root's DS record, for a validating resolver put in front of the lab."""
        return f". IN DS {self.root.ds}"

    def authority_for(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Zone:
        """Return the zone that answers for `name`; a DS record belongs to the parent."""
        at = name
        if rdtype == dns.rdatatype.DS and name != dns.name.root:
            at = name.parent()
        while at not in self._zones:
            at = at.parent()
        return self._zones[at]
