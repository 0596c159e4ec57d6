"""What a validating resolver answers in the lab's internet. Pure: a question in, an answer out."""

from __future__ import annotations

from dataclasses import dataclass, field

import dns.edns
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from delivery.lab.zones import Signing, Zone, Zones

MAX_ALIASES = 8
_BROKEN = {
    Signing.BOGUS: (dns.edns.EDECode.DNSKEY_MISSING, "no DNSKEY of {origin} matches its DS"),
    Signing.EXPIRED: (dns.edns.EDECode.SIGNATURE_EXPIRED, "the signatures of {origin} ran out"),
}


@dataclass(kw_only=True)
class Answer:
    """The sections of a response, and whether every part of it is authentic."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)
    is_secure: bool = True
    error: dns.edns.EDEOption | None = None


def failure(code: dns.edns.EDECode, text: str) -> Answer:
    """Return SERVFAIL with an extended error (RFC 8914)."""
    return Answer(rcode=dns.rcode.SERVFAIL, is_secure=False, error=dns.edns.EDEOption(code, text))


def resolve(
    zones: Zones,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    *,
    wants_signatures: bool = False,
    is_checking_disabled: bool = False,
) -> Answer:
    """Look `name` up, following aliases from zone to zone."""
    answer = Answer()
    for _ in range(MAX_ALIASES):
        zone = zones.authority_for(name, rdtype)
        if zone.signing in _BROKEN and not is_checking_disabled:
            code, text = _BROKEN[zone.signing]
            return failure(code, text.format(origin=zone.origin))
        answer.is_secure = answer.is_secure and zone.signing is Signing.SIGNED
        alias = _one_step(answer, zone, name, rdtype, wants_signatures=wants_signatures)
        if alias is None:
            return answer
        name = alias
    return failure(dns.edns.EDECode.OTHER, "too many aliases")


def _one_step(
    answer: Answer,
    zone: Zone,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    *,
    wants_signatures: bool,
) -> dns.name.Name | None:
    """Add what `zone` says about `name` to `answer`; return the next name if it is an alias."""
    exists = zone.exists(name)
    found = _find(zone, name if exists else zone.wildcard_for(name), rdtype)
    if found is None:
        _deny(answer, zone, name, wants_signatures=wants_signatures)
        return None
    if not exists:
        found = [_under(name, one) for one in found]
        if wants_signatures and zone.is_signed:
            # RFC 4035 §3.1.3.3: a wildcard's answer shows that the name itself is not there.
            _add(answer.authority, zone, zone.name_before(name), dns.rdatatype.NSEC)
    answer.answer += found if wants_signatures else found[:1]
    first = found[0]
    if first.rdtype == dns.rdatatype.CNAME and rdtype not in (
        dns.rdatatype.CNAME,
        dns.rdatatype.ANY,
    ):
        return dns.name.from_text(str(first[0]))
    return None


def _find(
    zone: Zone, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> list[dns.rrset.RRset] | None:
    """Return the records and their signatures, or those of the alias at `name`."""
    for wanted in (rdtype, dns.rdatatype.CNAME):
        records = zone.rrset(name, wanted)
        if records is not None:
            signatures = zone.rrset(name, dns.rdatatype.RRSIG, wanted)
            return [records] if signatures is None else [records, signatures]
    return None


def _under(name: dns.name.Name, records: dns.rrset.RRset) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, records.ttl, list(records))


def _deny(answer: Answer, zone: Zone, name: dns.name.Name, *, wants_signatures: bool) -> None:
    """Say that there is nothing, with the SOA (RFC 2308) and, if asked, the NSEC proof."""
    if not zone.exists(name) and zone.node(zone.wildcard_for(name)) is None:
        answer.rcode = dns.rcode.NXDOMAIN
        if zone.origin == dns.name.root:
            answer.error = dns.edns.EDEOption(
                dns.edns.EDECode.OTHER, "this internet knows only names under .test"
            )
    _add(answer.authority, zone, zone.origin, dns.rdatatype.SOA, wants_signatures=wants_signatures)
    if wants_signatures and zone.is_signed:
        _prove(answer, zone, name)


def _prove(answer: Answer, zone: Zone, name: dns.name.Name) -> None:
    """Add the NSEC records that deny `name`, and what the wildcard for it could have said."""
    denied = [name] if zone.exists(name) else [name, zone.wildcard_for(name)]
    for owner in sorted({zone.name_before(one) for one in denied}):
        _add(answer.authority, zone, owner, dns.rdatatype.NSEC)


def _add(
    section: list[dns.rrset.RRset],
    zone: Zone,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    *,
    wants_signatures: bool = True,
) -> None:
    found = _find(zone, name, rdtype)
    if found is not None:
        section += found if wants_signatures else found[:1]
