"""Starts the processes of an installation by forking one that has loaded everything already.

`python -m tests.campaign.nursery` reads orders, one a line, and answers each with a line: to start
a module as `python -m` would, with its output in a file, or to tell how a process ended.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Nursery:
    """The process that forks, seen from outside."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.nursery"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, module: str, *arguments: str, log: Path) -> Child:
        """Start a module as a process of its own."""
        return Child(self, self.ask(module=module, arguments=arguments, log=str(log)))

    def ask(self, **order: object) -> Any:
        """Give an order and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        """End it; its children must have ended."""
        self._process.communicate()


class Child:
    """A process that was forked; like `subprocess.Popen` as far as that goes."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while it runs."""
        if self._status is None:
            self._status = self._nursery.ask(pid=self.pid)
        return self._status

    def wait(self, seconds: float = 60) -> int:
        """Return the exit status once it has ended."""
        end = time.monotonic() + seconds
        while (status := self.poll()) is None:
            assert time.monotonic() < end, f"process {self.pid} does not end"
            time.sleep(0.05)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _serve() -> Callable[[], object] | None:
    """Obey orders; in a process that was forked return what it is for."""
    for line in sys.stdin:
        order = json.loads(line)
        if "pid" in order:
            pid, status = os.waitpid(order["pid"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                return _job(**order)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    return None


def _job(module: str, arguments: list[str], log: str) -> Callable[[], object]:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for old, new in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(old, new)
    sys.argv[1:] = arguments
    return lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)


def _load() -> None:
    """Load what takes long, but nothing that is one of a kind, as `delivery.dispatch` is."""
    import celery.bin.celery  # noqa: F401
    import django

    django.setup()
    from delivery import drain, services  # noqa: F401
    from mailweb.celery import app

    app.loader.import_default_modules()


if __name__ == "__main__":
    _load()
    if job := _serve():
        job()
