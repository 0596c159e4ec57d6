"""In which order a copy tries its hosts and addresses, given what earlier tries at it showed.

1. A server that puts strangers off (greylisting, RFC 6647) waits for the same client to come
   again: the next try begins at the same host and the same address.
2. A refusal by policy (x.7.x) may mean the address we came from, and a host with addresses of
   both families sees two of ours (RFC 3974 §3): the next try uses the other family first. A
   permanent one is put off once for that.

Nothing is remembered about the domain; all this is about one copy on its way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from delivery.policy.facts import HostFacts
from delivery.policy.outcome import Outcome, Result

_GREYLISTING = re.compile(r"gr[ea]y.?list", re.IGNORECASE)
_GREYLISTING_CODES = frozenset({"4.7.1", "4.2.0"})
"""What servers that greylist usually answer, if they do not name it."""

_ABOUT_TLS = frozenset({"5", "10", "11", "30"})
"""Details of x.7.x that speak of TLS, not of who we are (RFC 3463 §3.8, RFC 5248, RFC 8689)."""

MOST_RETURNS = 4
"""How often a copy comes back to a server that greylists: its wait may be longer than ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """An earlier answer to one copy: by which host, at which address, with which reply."""

    host: str
    address: str
    code: int | None
    enhanced: str
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What decides the order of the next try.

    `again` is the host and address to begin with, if any; `refused` has the address families
    (4 or 6) by which hosts refused for reasons of policy.
    """

    again: tuple[str, str] | None = None
    refused: frozenset[tuple[str, int]] = frozenset()


NOTHING = Memory()


def remember(tries: Iterable[Try]) -> Memory:
    """Fold the answers one copy got, oldest first, into what the next try goes by.

    Other answers than those about greylisting and policy change nothing.
    """
    again: tuple[str, str] | None = None
    returns = 0
    refused: set[tuple[str, int]] = set()
    for one in tries:
        place = (one.host, one.address)
        if not one.address:
            continue
        if _is_greylisted(one) and (place != again or returns < MOST_RETURNS):
            returns = returns + 1 if place == again else 1
            again = place
        elif _is_policy(one.enhanced):
            again = None
            refused.add((one.host, family(one.address)))
    return Memory(again=again, refused=frozenset(refused)) if again or refused else NOTHING


def in_order(hosts: tuple[HostFacts, ...], memory: Memory) -> tuple[HostFacts, ...]:
    """Return the hosts, and in each its addresses, in the order in which they are tried."""
    if memory == NOTHING:
        return hosts
    told = [replace(host, addresses=_addresses(host, memory)) for host in hosts]
    first = memory.again[0] if memory.again else None
    return tuple(sorted(told, key=lambda host: host.name != first))


def _addresses(host: HostFacts, memory: Memory) -> tuple[str, ...]:
    """The one to come back to first, families that refused last; the rest as before."""

    def rank(address: str) -> tuple[bool, bool]:
        return (
            (host.name, address) != memory.again,
            (host.name, family(address)) in memory.refused,
        )

    return tuple(sorted(host.addresses, key=rank))


def other_family_first(
    host: HostFacts, address: str, memory: Memory, outcome: Outcome
) -> Outcome | None:
    """Return what a final refusal by policy becomes where the other family is still to be tried."""
    here = family(address)
    other = 10 - here
    is_final_policy = outcome.result is Result.FAILED and _is_policy(outcome.enhanced)
    if not (is_final_policy and outcome.reply):
        return None
    if {(host.name, here), (host.name, other)} & memory.refused:
        return None
    if other not in {family(one) for one in host.addresses}:
        return None
    sentence = (
        f"{host.name} refuses this over IPv{here}, perhaps because of the address we came from. "
        f"The next try goes over IPv{other}."
    )
    return replace(outcome, result=Result.DEFERRED, public=sentence)


def family(address: str) -> int:
    """Return 4 or 6."""
    return 6 if ":" in address else 4


def _is_policy(enhanced: str) -> bool:
    _, subject, detail = (*enhanced.split("."), "", "", "")[:3]
    return subject == "7" and detail not in _ABOUT_TLS


def _is_greylisted(one: Try) -> bool:
    """Whether the same client has only to come again; 421 is about the session, not the copy."""
    if one.code not in (450, 451):
        return False
    return one.enhanced in _GREYLISTING_CODES or bool(_GREYLISTING.search(one.reply))
