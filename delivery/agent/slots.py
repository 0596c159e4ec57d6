"""Who may have a session now: so many at once for each host, and so many for all together.

1. A host whose breaker is open gets none; its copies are turned away at once.
2. Each host has as many turns as its health allows, if enough copies wait to be worth another
   session. Those who wait for one are served fairly.
3. All hosts share the configured number of slots, and those that have not shown yet that they
   answer at most half of it.
4. A slot is for work. While others wait, a session that has held one for a second gives it back
   and goes on waiting for the other side without: it is parked. Once it is greeted, it takes one
   again. So hosts that never answer cost nobody else more than that second.
5. Copies that wait for a host all of whose sessions hang, or take very long, are turned away too,
   instead of waiting until the last time-out; and so are copies for strangers when so many hang
   that no more fit.
6. Once it winds down, everybody who waits or comes is turned away, and only what runs goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import TracebackType

from delivery.agent import outcomes
from delivery.agent.clock import Clock
from delivery.agent.config import AgentConfig
from delivery.agent.errors import TurnedAwayError, WindingDownError
from delivery.agent.fair import Party
from delivery.agent.health import Breaker, Health, HostHealth
from delivery.agent.line import Line
from delivery.agent.neighbours import Neighbours, Nobody
from delivery.agent.turns import Turns

SLOW_SECONDS = 1.0
"""How long a session may hold a slot that others wait for."""

HANGING_SECONDS = 15.0
"""How long the sessions of a host may all be without a greeting while copies wait for it."""

BUSY_SECONDS = 60.0
"""How long they may all take for one message each."""

SWEEP_SECONDS = 0.25
HANGING_FOR = timedelta(minutes=1)
SHORTEST_WAIT = timedelta(seconds=10)
"""For those who come while somebody else probes."""

PARKED_PER_SLOT = 2

WORTH_A_SESSION = 4
"""So many copies must wait for each session of a host before one more is opened."""


@dataclass(slots=True)
class Gate:
    """The turns of one host, the slots that have one, and how many are interested."""

    turns: Turns
    users: int = 0
    slots: set[Slot] = field(default_factory=set)


class Slot:
    """The right to have one session at one address of a host, for a party.

    Entering it waits for the right.

    Raises:
        TurnedAwayError: the host is left alone for a while, or all are; nothing was tried.
    """

    def __init__(
        self,
        slots: Slots,
        host: str,
        address: str,
        party: Party,
        *,
        line: Line | None = None,
        is_visit: bool = False,
    ) -> None:
        self.host = host
        self.address = address
        self.party = party
        self.line = line or Line()
        self.is_visit = is_visit
        """A visit is for somebody who looks at the host: no breaker and no queue stops it."""

        self.is_greeted = False
        self.is_parked = False
        self.since: float | None = None
        """When it got its slot among all, by the clock of the event loop."""

        self.held: list[Turns] = []
        self.gate: Gate | None = None
        self.probes: Breaker | None = None
        """The open breaker that this session finds out about."""

        self._slots = slots

    async def __aenter__(self) -> Slot:
        await self._slots.enter(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._slots.leave(self)

    async def greeted(self) -> None:
        """Say that the host talks; a session that was parked waits here for a slot."""
        if not self.is_greeted:
            await self._slots.greeted(self)


class Slots:
    """All slots of one agent."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        clock: Clock,
        health: Health,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._neighbours = neighbours or Nobody()
        self._most_per_host = config.concurrency_per_host
        self._most_parked = PARKED_PER_SLOT * config.concurrency
        self._clock = clock
        self._health = health
        self._all = Turns(config.concurrency)
        self._strangers = Turns(max(1, config.concurrency // 2))
        self._gates: dict[str, Gate] = {}
        self._working: dict[Slot, None] = {}
        self._parked = 0
        self._winds_down = False
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def working(self) -> int:
        """How many sessions there may be at work now, those included that only wait."""
        return len(self._working) + self._parked

    def health_of(self, host: str) -> HostHealth:
        """Return what is known about a host."""
        return self._health.of(host, self._most_per_host)

    def adjust(self, host: str) -> None:
        """Let a host have as many sessions as its health allows now."""
        gate = self._gates.get(host)
        if gate is not None:
            gate.turns.allow(self._allowed(host, self.health_of(host)))

    def adjust_all(self) -> None:
        """Let every host have as many as there are for this worker now, after others came or went."""
        until = self._clock.now() + SHORTEST_WAIT
        for host, gate in list(self._gates.items()):
            self.adjust(host)
            if not gate.turns.most:
                gate.turns.send_away(partial(TurnedAwayError, outcomes.left_to_others(host, until)))

    def _allowed(self, host: str, health: HostHealth) -> int:
        return min(health.allowed, self._neighbours.share(host, self._most_per_host))

    async def enter(self, slot: Slot) -> None:
        """Wait until `slot` may be used."""
        if self._winds_down:
            raise self._winding_down()
        health = self.health_of(slot.host)
        try:
            if not slot.is_visit:
                await self._pass_gate(slot, health)
                if not health.has_answered:
                    await self._take(self._strangers, slot)
            await self._take(self._all, slot)
        except BaseException:
            self.leave(slot)
            raise
        self._begin_work(slot)

    async def _pass_gate(self, slot: Slot, health: HostHealth) -> None:
        """Wait for a turn at the host; look at its breaker before and after."""
        self._turn_away_if_left_alone(slot, health)
        gate = self._gates.get(slot.host)
        if gate is None:
            turns = Turns(self._allowed(slot.host, health), line=WORTH_A_SESSION)
            gate = self._gates[slot.host] = Gate(turns)
        gate.users += 1
        slot.gate = gate
        if not gate.turns.most:
            until = self._clock.now() + SHORTEST_WAIT
            raise TurnedAwayError(outcomes.left_to_others(slot.host, until))
        await self._take(gate.turns, slot)
        gate.slots.add(slot)
        await self._probe_if_left_alone(slot, health)

    def _turn_away_if_left_alone(self, slot: Slot, health: HostHealth) -> None:
        breaker = health.breaker(slot.address)
        if breaker is not None and breaker.is_open(self._clock.now()):
            raise self._left_alone(slot, breaker)

    async def _probe_if_left_alone(self, slot: Slot, health: HostHealth) -> None:
        """Turn `slot` away if the breaker is open; where one probe may pass, it is this one."""
        breaker = health.breaker(slot.address)
        if breaker is None or breaker.until is None:
            return
        if not breaker.admits(self._clock.now()):
            raise self._left_alone(slot, breaker)
        slot.probes = breaker
        if not await self._neighbours.may_probe(slot.host, slot.address):
            slot.probes, breaker.is_probing = None, False
            raise self._left_alone(slot, breaker)

    def _left_alone(self, slot: Slot, breaker: Breaker) -> TurnedAwayError:
        soon = self._clock.now() + SHORTEST_WAIT
        why = f"{breaker.trouble} {breaker.failures} times"
        return TurnedAwayError(
            outcomes.turned_away(slot.host, why, max(breaker.until or soon, soon))
        )

    def leave(self, slot: Slot) -> None:
        """Give everything back that `slot` holds."""
        self._end_work(slot)
        if slot.probes is not None:
            slot.probes.is_probing = False
            # However it ended, the others hear of it, also where nothing was found out.
            self.health_of(slot.host).changed.add(slot.address)
        for turns in slot.held:
            turns.give_back()
        slot.held.clear()
        gate = slot.gate
        if gate is not None:
            gate.slots.discard(slot)
            gate.users -= 1
            if not gate.users:
                del self._gates[slot.host]

    async def greeted(self, slot: Slot) -> None:
        """Let a session that got an answer go on as one of the lively ones."""
        slot.is_greeted = True
        self.health_of(slot.host).has_answered = True
        if self._strangers in slot.held:
            slot.held.remove(self._strangers)
            self._strangers.give_back()
        was_parked = slot.is_parked
        self._end_work(slot)
        if was_parked:
            await self._take(self._all, slot)
        self._begin_work(slot)

    def wind_down(self) -> None:
        """Let nobody else begin."""
        self._winds_down = True
        for turns in self._everything():
            turns.send_away(self._winding_down)

    def _winding_down(self) -> WindingDownError:
        return WindingDownError(outcomes.winding_down(self._clock.now()))

    def close(self) -> None:
        """Stop looking after the slots."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    async def _take(self, turns: Turns, slot: Slot) -> None:
        if turns.used >= turns.most and self._sweeping is None:
            self._sweep_later()
        if turns is self._strangers:
            await turns.take(slot.party)  # behind those whose servers have yet to say anything
        else:
            with slot.line:
                await turns.take(slot.party)
        slot.held.append(turns)

    def _begin_work(self, slot: Slot) -> None:
        slot.since = asyncio.get_running_loop().time()
        self._working[slot] = None

    def _end_work(self, slot: Slot) -> None:
        self._working.pop(slot, None)
        if slot.is_parked:
            slot.is_parked = False
            self._parked -= 1

    # What is done from time to time while somebody waits

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        self._park_the_slow(now)
        self._turn_away_the_hopeless(now)
        self._sweeping = None
        if any(turns.are_wanted for turns in self._everything()):
            self._sweep_later()

    def _everything(self) -> list[Turns]:
        return [self._all, self._strangers, *(gate.turns for gate in self._gates.values())]

    def _park_the_slow(self, now: float) -> None:
        """Take the slots of those who only wait, the longest first."""
        for slot in list(self._working):
            is_slow = slot.since is not None and now - slot.since >= SLOW_SECONDS
            if not is_slow or self._parked >= self._most_parked:
                return
            if self._all.are_wanted or (
                self._strangers.are_wanted and self._strangers in slot.held
            ):
                self._park(slot)

    def _park(self, slot: Slot) -> None:
        del self._working[slot]
        slot.is_parked = True
        self._parked += 1
        for turns in (self._strangers, self._all):
            if turns in slot.held:
                slot.held.remove(turns)
                turns.give_back()

    def _turn_away_the_hopeless(self, now: float) -> None:
        """Let nobody wait behind sessions that all hang."""
        until = self._clock.now() + HANGING_FOR
        for host, gate in self._gates.items():
            if gate.turns.are_wanted and _all_hang(gate.slots, now):
                is_busy = any(slot.is_greeted for slot in gate.slots)
                told = outcomes.busy(host, until) if is_busy else outcomes.hanging(host, until)
                gate.turns.send_away(partial(TurnedAwayError, told))
        if self._strangers.are_wanted and self._parked >= self._most_parked:
            strangers = [slot for slot in self._working if self._strangers in slot.held]
            if _all_hang(strangers, now):
                self._strangers.send_away(partial(TurnedAwayError, outcomes.crowded(until)))


def _all_hang(slots: Collection[Slot], now: float) -> bool:
    """Whether none of the sessions has got anywhere for so long that nobody should wait for it."""
    return bool(slots) and all(
        slot.since is not None
        and now - slot.since >= (BUSY_SECONDS if slot.is_greeted else HANGING_SECONDS)
        for slot in slots
    )
