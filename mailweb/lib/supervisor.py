"""Keeps a handful of child processes running, and leaves none behind.

A child that ends is started again, at once the first time and ever later while it keeps
failing. On SIGTERM, SIGINT or SIGHUP all are told to stop, and killed if they do not. If the
supervisor itself is killed, the kernel kills its children (Linux; elsewhere they would stay).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

FIRST_DELAY_SECONDS = 0.5
LAST_DELAY_SECONDS = 30.0
GOOD_RUN_SECONDS = 60.0
"""A child that ran this long has proven itself: its next restart is quick again."""

STOP_SECONDS = 10.0
OUTPUT_SECONDS = 1.0
LINE_BYTES = 1024 * 1024
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One process to keep running. It inherits the descriptors in `keeps`."""

    name: str
    command: Sequence[str]
    keeps: tuple[int, ...] = ()


class Supervisor:
    """Runs children in `folder` until it is told to stop.

    `on_line` gets each line that a child prints, with the child's name.
    """

    def __init__(
        self, *, folder: Path, environment: Mapping[str, str], on_line: Callable[[str, str], None]
    ) -> None:
        self.environment = dict(environment)
        self._folder = folder
        self._on_line = on_line
        self._processes: dict[str, Process] = {}
        self._stop = asyncio.Event()

    async def run(self, *jobs: Coroutine[None, None, None]) -> None:
        """Work on `jobs` (most are `keep`) until a signal comes, then stop all children."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop_or_kill)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
            await self._stop.wait()
            await self._stop_children()
            for task in tasks:
                task.cancel()

    async def keep(self, child: Child) -> None:
        """Start `child`, and again whenever it ends."""
        delay = FIRST_DELAY_SECONDS
        while not self._stop.is_set():
            started = time.monotonic()
            status = await self._run_once(child)
            if self._stop.is_set():
                break
            if time.monotonic() - started > GOOD_RUN_SECONDS:
                delay = FIRST_DELAY_SECONDS
            self._on_line(child.name, f"ended ({_named(status)}); starts again in {delay:g} s")
            await self._pause(delay)
            delay = min(delay * 2, LAST_DELAY_SECONDS)

    def restart(self, names: Sequence[str]) -> None:
        """End these children; `keep` starts them again, with the environment as it is then."""
        for name in names:
            if name in self._processes:
                _signal_group(self._processes[name], signal.SIGTERM)

    async def _run_once(self, child: Child) -> int:
        process = await asyncio.create_subprocess_exec(
            *child.command,
            cwd=self._folder,
            env=self.environment,
            stdout=PIPE,
            stderr=STDOUT,
            pass_fds=child.keeps,
            limit=LINE_BYTES,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which tells the rest
            preexec_fn=_dying_with_parent(os.getpid()),
        )
        self._processes[child.name] = process
        output = asyncio.create_task(self._pass_on(child.name, process))
        try:
            if self._stop.is_set():  # told to stop while this one was being born
                _signal_group(process, signal.SIGKILL)
            status = await process.wait()
            await asyncio.wait([output], timeout=OUTPUT_SECONDS)
        finally:
            _signal_group(process, signal.SIGKILL)
            output.cancel()
        return status

    async def _pass_on(self, name: str, process: Process) -> None:
        printed = cast("asyncio.StreamReader", process.stdout)  # it is a PIPE
        while True:
            try:
                line = await printed.readline()
            except ValueError:  # longer than LINE_BYTES: not worth more
                continue
            if not line:
                return
            self._on_line(name, line.decode(errors="replace").rstrip())

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            pass

    def _stop_or_kill(self) -> None:
        if self._stop.is_set():
            self._signal_all(signal.SIGKILL)
        self._stop.set()

    async def _stop_children(self) -> None:
        self._signal_all(signal.SIGTERM)
        await self._wait_for_children(STOP_SECONDS)
        self._signal_all(signal.SIGKILL)
        await self._wait_for_children(OUTPUT_SECONDS)

    async def _wait_for_children(self, seconds: float) -> None:
        waits = [asyncio.create_task(one.wait()) for one in self._processes.values()]
        if waits:
            await asyncio.wait(waits, timeout=seconds)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            _signal_group(process, number)


def _signal_group(process: Process, number: signal.Signals) -> None:
    """Signal a child that still runs, and whatever it started."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass


def _dying_with_parent(parent: int) -> Callable[[], None]:
    """Return what makes a child die with the process `parent`, to be called in the child."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl

    def set_up() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above took effect
            os._exit(1)

    return set_up


def _named(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
