"""The sink that both sides deliver to: the lab, throwing away what it accepts, in its own process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent


class Sink:
    """A running sink; use it as a context manager."""

    def __init__(self, *profiles: str) -> None:
        self._profiles = profiles

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink", *self._profiles],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started = self._read()
        self.environment: dict[str, str] = started["environment"]
        self.domains: dict[str, dict[str, str]] = started["domains"]
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

    def counts(self) -> dict[str, int]:
        """Return what has been accepted since the start."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(self._read())

    def wait_for(self, messages: int, *, since: float, limit: float = 300) -> float:
        """Return the seconds from `since` until so many messages have been accepted in all."""
        while self.counts()["messages"] < messages:
            if time.perf_counter() - since > limit:
                raise TimeoutError(f"only {self.counts()['messages']} of {messages} arrived")
            time.sleep(0.01)
        return time.perf_counter() - since


async def _serve(profiles: list[str]) -> None:
    from delivery.lab.world import Lab

    async with Lab(profiles=profiles, discards=True) as lab:
        domains = {name: dict(one.hosts) for name, one in lab.domains.items()}
        sys.stdout.write(
            json.dumps({"environment": dict(lab.environment), "domains": domains}) + "\n"
        )
        sys.stdout.flush()
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.readline():
            sys.stdout.write(json.dumps(lab.summary()) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
