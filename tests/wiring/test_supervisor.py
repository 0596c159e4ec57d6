from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

DRIVER = """
import asyncio, sys
from pathlib import Path
from mailweb.lib.supervisor import Child, Supervisor

def show(name, line):
    print(f"{name}: {line}", flush=True)

async def main():
    supervisor = Supervisor(folder=Path("."), environment={}, on_line=show)
    children = [
        Child(name=name, command=[sys.executable, "-c", program])
        for name, program in zip(sys.argv[1::2], sys.argv[2::2])
    ]
    await supervisor.run(*(supervisor.keep(child) for child in children))

asyncio.run(main())
"""
IDLE = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {IDLE}"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {IDLE!r}]); {IDLE}"
BROKEN = "import sys; sys.exit('nothing to do')"


class Watched:
    """A supervisor in its own process, and the lines that its children printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: dict[str, list[str]] = defaultdict(list)
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            name, _, text = line.strip().partition(": ")
            self.lines[name].append(text)

    def pids(self, name: str, count: int = 1) -> list[int]:
        """Return what the child printed: it prints its number whenever it starts."""

        def numbers() -> list[int]:
            return [int(line) for line in self.lines[name] if line.isdigit()]

        eventually(lambda: len(numbers()) >= count)
        return numbers()


@contextmanager
def supervised(*pairs: str) -> Iterator[Watched]:
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, *pairs],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield Watched(process)
        finally:
            process.kill()


def is_gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_killed_child_is_started_again() -> None:
    with supervised("idle", IDLE) as watched:
        [first] = watched.pids("idle")
        os.kill(first, signal.SIGKILL)
        assert len(watched.pids("idle", count=2)) == 2
        assert "ended (SIGKILL); starts again in 0.5 s" in watched.lines["idle"]


def test_child_that_keeps_failing_is_started_ever_later() -> None:
    with supervised("broken", BROKEN) as watched:
        restarts = "ended (exit status 1); starts again in {} s"
        assert eventually(lambda: restarts.format(1) in watched.lines["broken"])
        assert watched.lines["broken"][:2] == ["nothing to do", restarts.format(0.5)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_the_supervisor_stops_everything(number: signal.Signals) -> None:
    with supervised("one", IDLE, "two", IDLE) as watched:
        pids = watched.pids("one") + watched.pids("two")
        watched.process.send_signal(number)
        assert watched.process.wait(20) == 0
        assert all(map(is_gone, pids))


def test_second_signal_kills_what_does_not_want_to_stop() -> None:
    with supervised("idle", IDLE, "stubborn", STUBBORN) as watched:
        [idle], [stubborn] = watched.pids("idle"), watched.pids("stubborn")
        watched.process.terminate()
        assert eventually(lambda: is_gone(idle))
        watched.process.terminate()
        assert watched.process.wait(5) == 0
        assert is_gone(stubborn)


def test_grandchildren_are_stopped_as_well() -> None:
    with supervised("parent", PARENT) as watched:
        pids = watched.pids("parent", count=2)
        watched.process.terminate()
        assert watched.process.wait(20) == 0
        assert eventually(lambda: all(map(is_gone, pids)))


def test_killed_supervisor_leaves_nobody() -> None:
    with supervised("idle", IDLE, "stubborn", STUBBORN) as watched:
        pids = watched.pids("idle") + watched.pids("stubborn")
        watched.process.kill()
        assert eventually(lambda: all(map(is_gone, pids)))
