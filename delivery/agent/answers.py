"""What DNS answers, and how a question is followed through aliases.

One answer is about one name and one type. Nothing here follows an alias silently: each step
is an answer of its own, with its own word about DNSSEC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from delivery.policy.facts import DnsFailure, Dnssec

LONGEST_ALIAS_CHAIN = 16


class Status(StrEnum):
    """What became of one question. The last two are temporary."""

    FOUND = "found"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"


FAILURES = {Status.SERVFAIL: DnsFailure.SERVFAIL, Status.TIMEOUT: DnsFailure.TIMEOUT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one question.

    `records` are in presentation form, names without the final dot and in lower case. `alias` is
    the target if `name` itself is a CNAME; `records` are then empty. `detail` has the resolver's
    words where something failed, extended errors included (RFC 8914).
    """

    name: str
    kind: str
    status: Status
    records: tuple[str, ...] = ()
    alias: str = ""
    dnssec: Dnssec = Dnssec.UNCHECKED
    ttl: int = 0
    detail: str = ""


class Resolver(Protocol):
    """What answers questions, one name and one type at a time."""

    async def query(self, name: str, kind: str) -> Answer:
        """Return the answer; what goes wrong in DNS is an answer too."""

    def forget(self, name: str, kind: str) -> None:
        """Let the next query be asked anew, whatever is remembered."""

    async def close(self) -> None:
        """Give up the questions still on their way."""


def weakest(values: Iterable[Dnssec]) -> Dnssec:
    """Return what can be said about answers that rest on each other."""
    seen = set(values)
    for worst in (Dnssec.BOGUS, Dnssec.UNCHECKED, Dnssec.INSECURE):
        if worst in seen:
            return worst
    return Dnssec.SECURE if seen else Dnssec.UNCHECKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A question followed through its aliases: every step, the real answer last."""

    steps: tuple[Answer, ...]
    is_loop: bool = False

    @property
    def first(self) -> Answer:
        """The answer about the name that was asked for."""
        return self.steps[0]

    @property
    def last(self) -> Answer:
        """The answer at the end of the aliases."""
        return self.steps[-1]

    @property
    def records(self) -> tuple[str, ...]:
        """The records found."""
        return self.last.records

    @property
    def is_aliased(self) -> bool:
        """Whether the name asked for is a CNAME."""
        return len(self.steps) > 1

    @property
    def dnssec(self) -> Dnssec:
        """What holds for the whole way, aliases included."""
        return weakest(step.dnssec for step in self.steps)

    @property
    def failure(self) -> DnsFailure | None:
        """Why there is no answer at all; None also where the answer is "there is none"."""
        return DnsFailure.ALIAS_LOOP if self.is_loop else FAILURES.get(self.last.status)

    @property
    def detail(self) -> str:
        """What the resolver said about it."""
        return f"{self.first.name}: aliases without end" if self.is_loop else self.last.detail


async def follow(resolver: Resolver, name: str, kind: str) -> Chain:
    """Ask for `name` and, while it is an alias, for what it points to."""
    steps: list[Answer] = []
    seen: set[str] = set()
    while name not in seen and len(steps) < LONGEST_ALIAS_CHAIN:
        seen.add(name)
        answer = await resolver.query(name, kind)
        if not answer.alias:
            return Chain(steps=(*steps, answer))
        steps.append(await _alias_alone(resolver, answer))
        name = answer.alias
    return Chain(steps=tuple(steps), is_loop=True)


async def _alias_alone(resolver: Resolver, answer: Answer) -> Answer:
    """Return the alias with its own word about DNSSEC.

    AD speaks for the whole chain in an answer, so where it is missing the alias itself may still
    be signed (RFC 7672 §2.2.2 asks for just this query).
    """
    if answer.dnssec is not Dnssec.INSECURE:
        return answer
    alone = await resolver.query(answer.name, "CNAME")
    return alone if alone.alias == answer.alias else answer
