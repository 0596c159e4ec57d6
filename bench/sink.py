"""The sink that all sides deliver to: the lab, throwing away what it accepts, in its own process.

A population is a profile of the lab, or many like it: `pkix` is pkix.test, `pkix*200` are 200
domains `pkix-0.test` to `pkix-199.test`, each with a host and an address of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from delivery.lab.behaviour import Profile
    from delivery.lab.world import Lab

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Counts:
    """What the sink accepted since its start, and the sessions that are open now."""

    connections: int
    messages: int
    recipients: int
    octets: int
    open: int


class Sink:
    """A running sink; use it as a context manager."""

    def __init__(self, *populations: str) -> None:
        self._populations = populations

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink", *self._populations],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started = self._read()
        self.environment: dict[str, str] = started["environment"]
        self.hosts: dict[str, str] = started["hosts"]
        """The address of each domain's host."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _read(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101
        return json.loads(self._process.stdout.readline())

    def counts(self) -> Counts:
        """Return what has happened so far."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Counts(**self._read())

    def wait_for(self, recipients: int, *, since: float, limit: float = 300) -> float:
        """Return the seconds from `since` until so many copies have been accepted in all."""
        while (counts := self.counts()).recipients < recipients:
            if time.perf_counter() - since > limit:
                raise TimeoutError(f"only {counts.recipients} of {recipients} arrived")
            time.sleep(0.01)
        return time.perf_counter() - since


def _profiles(population: str) -> list[Profile]:
    from delivery.lab.profiles import PROFILES

    name, _, number = population.partition("*")
    if not number:
        return [PROFILES[name]]
    return [replace(PROFILES[name], name=f"{name}-{each}") for each in range(int(number))]


def _say(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _introduction(lab: Lab) -> dict[str, dict[str, str]]:
    hosts = {name: one.hosts[0][1] for name, one in lab.domains.items()}
    return {"environment": dict(lab.environment), "hosts": hosts}


async def _serve(populations: list[str]) -> None:
    from delivery.lab.world import Lab

    profiles = [profile for each in populations for profile in _profiles(each)]
    async with Lab(profiles=profiles, discards=True) as lab:
        _say(_introduction(lab))
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.readline():
            _say({**lab.summary(), "open": lab.open_sessions})


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
