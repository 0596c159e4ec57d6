"""Whether mail from an address passes the SPF record of a domain (RFC 7208).

Pure: who asks the DNS is handed in. Macros are expanded for what a check of one's own domain needs
(§7.2: s, l, o, d, i, v, h); `p` is not looked up, as §5.5 advises, and reads "unknown".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MOST_LOOKUPS = 10
MOST_VOID = 2
MOST_NAMES = 10
"""RFC 7208 §4.6.4: terms that ask the DNS, answers that hold nothing, addresses of MX names."""


class SpfResult(StrEnum):
    """What a check says (RFC 7208 §2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfVerdict:
    """The result, the term of the record that decided, and why if that needs words."""

    result: SpfResult
    term: str = ""
    why: str = ""


class DnsTroubleError(Exception):
    """The DNS gave no answer; raised by whoever looks up."""


Lookup = Callable[[str, str], Sequence[str]]
"""Name and type (TXT, A, AAAA, MX) in, values out; nothing found is an empty answer."""

_QUALIFIERS = {
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}
_TERM = re.compile(r"([+\-~?]?)([A-Za-z][A-Za-z0-9]*)((?::[^\s]+|/[^\s]+)?)")
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)")
_MACRO = re.compile(r"%\{([A-Za-z])([0-9]*)(r?)([.\-+,/_=]*)\}|%%|%_|%-")
_ASKS = frozenset({"a", "mx", "include", "exists", "ptr"})


class _BrokenError(Exception):
    """The record can't be evaluated: permerror."""


@dataclass(slots=True)
class _Check:
    """One evaluation, with what it may still ask."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    sender: str
    helo: str
    look_up: Lookup
    lookups: int = 0
    void: int = 0
    seen: list[str] = field(default_factory=list)


def check(*, address: str, sender: str, helo: str, look_up: Lookup) -> SpfVerdict:
    """Return what the SPF record of the sender's domain says of mail from `address`.

    `sender` is MAIL FROM; where it is empty, postmaster at `helo` counts (§2.4).
    """
    sender = sender or f"postmaster@{helo}"
    case = _Check(ipaddress.ip_address(address), sender, helo, look_up)
    try:
        return _of_domain(case, sender.rpartition("@")[2].lower())
    except _BrokenError as error:
        return SpfVerdict(result=SpfResult.PERMERROR, why=str(error))
    except DnsTroubleError as error:
        return SpfVerdict(result=SpfResult.TEMPERROR, why=str(error))


def _of_domain(case: _Check, domain: str) -> SpfVerdict:
    found = [text for text in case.look_up(domain, "TXT") if _is_spf(text)]
    if not found:
        return SpfVerdict(result=SpfResult.NONE, why=f"{domain} publishes no SPF record.")
    if len(found) > 1:
        raise _BrokenError(f"{domain} publishes {len(found)} SPF records.")
    case.seen.append(domain)
    terms = found[0].split()[1:]
    redirect = ""
    for term in terms:
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            verdict = _mechanism(case, domain, term)
            if verdict is not None:
                return verdict
        elif modifier[1].lower() == "redirect":
            if redirect:
                raise _BrokenError(f"{domain} has more than one redirect.")
            redirect = modifier[2]
    if not redirect:
        return SpfVerdict(result=SpfResult.NEUTRAL, why="No term of the record fits.")
    _count(case)
    verdict = _of_domain(case, _expanded(case, domain, redirect))
    if verdict.result is SpfResult.NONE:
        raise _BrokenError(f"redirect leads to a domain without a record: {redirect}.")
    return verdict


def _is_spf(text: str) -> bool:
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def _mechanism(case: _Check, domain: str, term: str) -> SpfVerdict | None:
    """Return the verdict if this term fits, and None if the next is to be asked."""
    found = _TERM.fullmatch(term)
    name = found[2].lower() if found else ""
    matches = _MECHANISMS.get(name)
    if found is None or matches is None:
        raise _BrokenError(f"{term} is no term of SPF.")
    if name in _ASKS:
        _count(case)
    if not matches(case, domain, found[3]):
        return None
    return SpfVerdict(result=_QUALIFIERS[found[1] or "+"], term=term)


def _count(case: _Check) -> None:
    case.lookups += 1
    if case.lookups > MOST_LOOKUPS:
        raise _BrokenError(f"The record takes more than {MOST_LOOKUPS} look-ups.")


def _asked(case: _Check, name: str, kind: str) -> Sequence[str]:
    """Ask, and count answers that hold nothing."""
    found = case.look_up(name, kind)
    if not found:
        case.void += 1
        if case.void > MOST_VOID:
            raise _BrokenError(f"More than {MOST_VOID} look-ups found nothing.")
    return found


def _all(case: _Check, domain: str, rest: str) -> bool:
    if rest:
        raise _BrokenError(f"all takes no {rest}.")
    return True


def _include(case: _Check, domain: str, rest: str) -> bool:
    name = _expanded(case, domain, _named(rest, "include"))
    inner = _of_domain(case, name)
    if inner.result is SpfResult.NONE:
        raise _BrokenError(f"{name}, which the record includes, publishes none.")
    return inner.result is SpfResult.PASS


def _a(case: _Check, domain: str, rest: str) -> bool:
    name, lengths = _name_and_lengths(case, domain, rest)
    return _is_at(case, name, lengths)


def _mx(case: _Check, domain: str, rest: str) -> bool:
    name, lengths = _name_and_lengths(case, domain, rest)
    hosts = [record.split()[-1].rstrip(".") for record in _asked(case, name, "MX")]
    if len(hosts) > MOST_NAMES:
        raise _BrokenError(f"{name} has more than {MOST_NAMES} mail servers.")
    return any(_is_at(case, host, lengths, counts=False) for host in hosts if host)


def _is_at(case: _Check, name: str, lengths: tuple[int, int], *, counts: bool = True) -> bool:
    kind = "A" if case.address.version == 4 else "AAAA"
    found = _asked(case, name, kind) if counts else case.look_up(name, kind)
    return any(_is_in(case, one, lengths) for one in found)


def _is_in(case: _Check, address: str, lengths: tuple[int, int]) -> bool:
    length = lengths[0] if case.address.version == 4 else lengths[1]
    try:
        network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    except ValueError:
        return False
    return network.version == case.address.version and case.address in network


def _ip(version: int) -> Callable[[_Check, str, str], bool]:
    def matches(case: _Check, domain: str, rest: str) -> bool:
        text = _named(rest, f"ip{version}")
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise _BrokenError(f"{text} is no network.") from error
        if network.version != version:
            raise _BrokenError(f"{text} is no network of ip{version}.")
        return network.version == case.address.version and case.address in network

    return matches


def _exists(case: _Check, domain: str, rest: str) -> bool:
    return bool(_asked(case, _expanded(case, domain, _named(rest, "exists")), "A"))


def _ptr(case: _Check, domain: str, rest: str) -> bool:
    """RFC 7208 §5.5 says not to publish it; it is not looked up, and fits nobody."""
    return False


_MECHANISMS: dict[str, Callable[[_Check, str, str], bool]] = {
    "all": _all,
    "include": _include,
    "a": _a,
    "mx": _mx,
    "ip4": _ip(4),
    "ip6": _ip(6),
    "exists": _exists,
    "ptr": _ptr,
}


def _named(rest: str, mechanism: str) -> str:
    if not rest.startswith(":") or len(rest) < 2:
        raise _BrokenError(f"{mechanism} names nothing.")
    return rest[1:]


_DUAL = re.compile(r"((?::(?:%\{[^}]*\}|[^/])*)?)(?:/(\d{1,2}))?(?://(\d{1,3}))?")


def _name_and_lengths(case: _Check, domain: str, rest: str) -> tuple[str, tuple[int, int]]:
    """Read `:name/24//64`, every part of which may be missing; without a name the domain is meant."""
    found = _DUAL.fullmatch(rest)
    if found is None or found[1] == ":":
        raise _BrokenError(f"{rest} is neither a name nor a prefix length.")
    four, six = int(found[2] or 32), int(found[3] or 128)
    if four > 32 or six > 128:
        raise _BrokenError(f"{rest} has a prefix that is too long.")
    return _expanded(case, domain, found[1][1:]) if found[1] else domain, (four, six)


def _expanded(case: _Check, domain: str, text: str) -> str:
    """Expand macros (RFC 7208 §7)."""
    if "%" not in text:
        return text.rstrip(".").lower()
    rest = _MACRO.sub("", text)
    if "%" in rest:
        raise _BrokenError(f"{text} has a macro that can't be read.")
    return _MACRO.sub(lambda found: _macro(case, domain, found), text).rstrip(".").lower()


def _macro(case: _Check, domain: str, found: re.Match[str]) -> str:
    plain = {"%%": "%", "%_": " ", "%-": "%20"}.get(found[0])
    if plain is not None:
        return plain
    local_part, _, sender_domain = case.sender.rpartition("@")
    values = {
        "s": case.sender,
        "l": local_part,
        "o": sender_domain,
        "d": domain,
        "i": _dotted(case.address),
        "p": "unknown",
        "v": "in-addr" if case.address.version == 4 else "ip6",
        "h": case.helo,
    }
    value = values.get(found[1].lower())
    if value is None:
        raise _BrokenError(f"{found[0]} is no macro of a record.")
    parts = re.split(f"[{re.escape(found[4] or '.')}]", value)
    parts = parts[::-1] if found[3] else parts
    return ".".join(parts[-int(found[2]) :] if found[2] else parts)


def _dotted(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if address.version == 4:
        return str(address)
    return ".".join(address.exploded.replace(":", ""))
