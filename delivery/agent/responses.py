"""What a DNS response says, in plain values. Pure: a message in, an answer out."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TLSA
import dns.rdtypes.ANY.TXT
import dns.rrset
import idna

from delivery.agent.answers import Answer, Status

# RFC 8914 §4: the extended errors that mean "does not pass DNSSEC validation".
DNSSEC_ERRORS = frozenset({1, 2, 5, 6, 7, 8, 9, 10, 11, 12})
MOST_ERRORS = 3
LONGEST_TEXT = 400

NO_TTL = 0

# dnspython gives up on a whole answer when one digest has the wrong length; for RFC 7672 §2.2 that
# record is merely unusable, and those beside it count.
dns.rdtypes.ANY.TLSA.TLSA._cert_length_by_mtype = {}


def extended_errors(response: dns.message.Message) -> list[dns.edns.EDEOption]:
    """Return the extended errors (RFC 8914), a few at most."""
    found = [option for option in response.options if isinstance(option, dns.edns.EDEOption)]
    return found[:MOST_ERRORS]


def is_called_bogus(response: dns.message.Message) -> bool:
    """Return whether the resolver says that the answer does not pass validation."""
    return any(error.code in DNSSEC_ERRORS for error in extended_errors(response))


def words(name: str, kind: str, response: dns.message.Message) -> str:
    """Return what a resolver said when it had no answer, extended errors included."""
    said = f"{name} {kind}: {dns.rcode.to_text(response.rcode())}"
    for error in extended_errors(response):
        meaning = dns.edns.EDECode(error.code).name.replace("_", " ").lower()
        text = _one_line(error.text or "")
        said += f"; {meaning}: {text}" if text else f"; {meaning}"
    return said


def _one_line(text: str) -> str:
    """Return words of others as far as they are fit to be stored and shown."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    short = " ".join(plain.split())
    return short if len(short) <= LONGEST_TEXT else f"{short[:LONGEST_TEXT]}…"


def read(name: str, kind: str, response: dns.message.Message) -> Answer:
    """Take from a response what it says about the name and type asked for, and only that.

    What DNSSEC says of it is left open.
    """
    owner = response.question[0].name
    found = _rrset(response, owner, kind)
    if found is not None:
        records = tuple(_text(rdata) for rdata in found)
        alias = records[0] if kind == "CNAME" else ""
        status, ttl = Status.FOUND, found.ttl
    elif (aliased := _rrset(response, owner, "CNAME")) is not None:
        records, alias = (), _text(aliased[0])
        status, ttl = Status.FOUND, aliased.ttl
    else:
        records, alias = (), ""
        is_gone = response.rcode() == dns.rcode.NXDOMAIN
        status = Status.NXDOMAIN if is_gone else Status.NODATA
        ttl = _negative_ttl(response)
    detail = "" if status is Status.FOUND else words(name, kind, response)
    return Answer(
        name=name, kind=kind, status=status, records=records, alias=alias, ttl=ttl, detail=detail
    )


def _rrset(
    response: dns.message.Message, owner: dns.name.Name, kind: str
) -> dns.rrset.RRset | None:
    return response.get_rrset(
        response.answer, owner, dns.rdataclass.IN, dns.rdatatype.from_text(kind)
    )


def _negative_ttl(response: dns.message.Message) -> int:
    """RFC 2308 §5: the smaller of the SOA record's TTL and its last field."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(rrset.ttl, *(int(soa.minimum) for soa in rrset))
    return NO_TTL


def _text(rdata: object) -> str:
    """Return one record in presentation form, names in lower case without the final dot."""
    if isinstance(rdata, dns.rdtypes.ANY.MX.MX):
        return f"{rdata.preference} {_name(rdata.exchange)}"
    if isinstance(rdata, dns.rdtypes.ANY.CNAME.CNAME):
        return _name(rdata.target)
    if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(rdata.strings).decode("ascii", "replace")
    if isinstance(rdata, dns.rdtypes.ANY.TLSA.TLSA):
        return f"{rdata.usage} {rdata.selector} {rdata.mtype} {rdata.cert.hex()}"
    return str(rdata).rstrip(".").lower()


def _name(name: dns.name.Name) -> str:
    """Return a name in lower case without its final dot, U-labels as A-labels (RFC 5890 §2.3.2.1).

    DNS knows A-labels only, but some write U-labels into their zone in UTF-8; certificates and
    policies call the host by its A-labels all the same. Other octets stay escaped.
    """
    text = name.to_text(omit_final_dot=True).lower()
    labels = [label for label in name.labels if label]
    if "\\" not in text or any(b"." in label for label in labels):
        return text
    try:
        return idna.encode(b".".join(labels).decode(), uts46=True).decode("ascii")
    except UnicodeError:
        return text
