"""What this process remembers about hosts: how many sessions each may have, and which is left alone.

1. A host starts with one session. Every transaction that goes well allows one more at a time, so
   that the number doubles while it is used up, until the configured limit.
2. Trouble (nobody answers, the session ends early, 421) halves it.
3. Trouble five times in a row at one address opens its breaker: no session for a minute. Then one
   session probes. If it goes well, all is as before, but the backlog goes over one session until
   20 transactions went well; if not, the pause doubles, up to a quarter of an hour.

Nothing here reads a clock: `now` is an argument. Nothing is kept for ever: a process remembers
the last 10,000 hosts, and forgets all when it ends.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

FIRST_SESSIONS = 1
PATIENCE = 5
"""How often in a row an address may be in trouble before it is left alone."""

TO_PROVE = 20
"""How many transactions must go well after trouble before a host gets a second session."""

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=15)
MOST_HOSTS = 10_000
MOST_ADDRESSES = 100


class Trouble(StrEnum):
    """What a host did that speaks against more sessions; the value is part of a sentence."""

    SILENT = "it did not answer"
    """No connection, no reply, or none that is SMTP."""

    BUSY = "it took no session"
    """421 to anything, or a greeting or an answer to EHLO that puts us off."""


@dataclass(slots=True)
class Breaker:
    """One address of a host that was in trouble: closed lets sessions through, open does not."""

    failures: int = 0
    """In a row."""

    pauses: int = 0
    trouble: Trouble = Trouble.SILENT
    until: datetime | None = None
    """Set while it is open; once this moment has come, one session may probe."""

    told: str = ""
    """Why the last session came to nothing."""

    is_probing: bool = False

    def state(self, now: datetime) -> str:
        """Return what it is now: `closed`, `open`, or `probing` once a session may try."""
        if self.until is None:
            return "closed"
        return "open" if now < self.until else "probing"

    def is_open(self, now: datetime) -> bool:
        """Whether no session may be opened now, not even to probe."""
        return self.until is not None and now < self.until

    def admits(self, now: datetime) -> bool:
        """Whether a session may be opened now; if it is the probe, it is under way."""
        if self.until is None:
            return True
        if now < self.until or self.is_probing:
            return False
        self.is_probing = True
        return True

    def fail(self, trouble: Trouble, now: datetime) -> bool:
        """Note trouble; return whether this opened the breaker."""
        self.failures += 1
        self.trouble = trouble
        if self.failures < PATIENCE or self.is_open(now):
            return False
        # The power of two is bounded because the pause is.
        self.until = now + min(FIRST_PAUSE * 2 ** min(self.pauses, 10), LONGEST_PAUSE)
        self.pauses += 1
        return True


@dataclass(slots=True)
class HostHealth:
    """One host: how many sessions it may have at once, and how its addresses do.

    `most` is the configured limit of sessions per host.
    """

    most: int
    allowed: int = field(init=False)
    has_answered: bool = False
    """Whether a session was ever greeted, and none was in trouble since."""

    changed: set[str] = field(default_factory=set)
    """Addresses whose breaker was opened or closed, until somebody takes note."""

    _to_prove: int = 0
    _breakers: dict[str, Breaker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.allowed = FIRST_SESSIONS

    @property
    def has_breakers(self) -> bool:
        """Whether any of its addresses is in trouble."""
        return bool(self._breakers)

    @property
    def is_at_its_best(self) -> bool:
        """Whether one more transaction that goes well would change nothing."""
        return self.allowed >= self.most and not self._breakers

    def breakers(self, now: datetime) -> Counter[str]:
        """Return how many addresses in trouble have a breaker that is closed, open or probing."""
        return Counter(one.state(now) for one in self._breakers.values())

    def breaker(self, address: str) -> Breaker | None:
        """Return the breaker of an address that is in trouble; None if it is not."""
        return self._breakers.get(address)

    def went_well(self, address: str) -> None:
        """Note a transaction that the host answered, with whatever reply."""
        closed = self._breakers.pop(address, None)
        if closed is not None and closed.until is not None:
            self.changed.add(address)
        self.has_answered = True
        if self._to_prove:
            self._to_prove -= 1
        elif self.allowed < self.most:
            self.allowed += 1

    def was_in_trouble(self, address: str, trouble: Trouble, now: datetime, told: str = "") -> None:
        """Note a session that did not come about, or ended before its time, and what was said."""
        self.has_answered = False
        self.allowed = max(1, self.allowed // 2)
        if address not in self._breakers and len(self._breakers) >= MOST_ADDRESSES:
            self._breakers.clear()
        breaker = self._breakers.setdefault(address, Breaker())
        breaker.told = told
        if breaker.fail(trouble, now):
            self.allowed = 1
            self._to_prove = TO_PROVE
            self.changed.add(address)

    def adopt(self, address: str, breaker: Breaker) -> None:
        """Believe another worker that an address is in trouble, unless it answers us."""
        mine = self._breakers.get(address)
        if self.has_answered:
            return
        if mine is not None and (mine.is_probing or mine.until == breaker.until):
            return
        self._breakers[address] = breaker
        self.allowed = 1
        self._to_prove = TO_PROVE

    def release(self, address: str) -> None:
        """Believe somebody else that an address is out of trouble."""
        self._breakers.pop(address, None)


class Health:
    """All hosts this process remembers, by name. Agents that follow each other may share it."""

    def __init__(self) -> None:
        self._hosts: dict[str, HostHealth] = {}

    def breakers(self, now: datetime) -> Counter[str]:
        """Return how many addresses of all hosts have a breaker in each state."""
        found: Counter[str] = Counter()
        for host in self._hosts.values():
            if host.has_breakers:
                found += host.breakers(now)
        return found

    def of(self, host: str, most: int) -> HostHealth:
        """Return what is known about `host`, which may have at most `most` sessions."""
        found = self._hosts.get(host)
        if found is None:
            while len(self._hosts) >= MOST_HOSTS:
                del self._hosts[next(iter(self._hosts))]
            found = self._hosts[host] = HostHealth(most=most)
        return found

    def take_changes(self) -> dict[tuple[str, str], Breaker | None]:
        """Return the breakers, by host and address, that were opened or closed since last asked.

        None stands for one that was closed.
        """
        changes = {}
        for name, host in self._hosts.items():
            for address in host.changed:
                breaker = host.breaker(address)
                changes[name, address] = replace(breaker) if breaker else None
            host.changed.clear()
        return changes
