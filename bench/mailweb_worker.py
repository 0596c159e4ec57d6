"""Mailweb's side: a private database, filled and held, and one worker process that drains it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.sink import ROOT


class Worker:
    """One `manage.py queue run`, with its own data directory; a context manager."""

    def __init__(self, environment: dict[str, str], *, database_url: str = "") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mailweb-bench-")
        self._environment = {
            **os.environ,
            **environment,
            "DATA_DIR": self._folder.name,
            "MAIL_HOSTNAME": "bench.mailweb.test",
            "LOG_LEVEL": "warning",
            "MAX_RECIPIENTS": "2000",
        }
        if database_url:
            self._environment["DATABASE_URL"] = database_url

    def __enter__(self) -> Self:
        self._manage("migrate", "-v0")
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "queue", "run"], cwd=ROOT, env=self._environment
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._folder.cleanup()

    def _manage(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def fill(self, messages: int, size: int, to: str) -> None:
        """Put messages into the queue, on hold; the process that did it waits to release them."""
        self._filler = subprocess.Popen(
            [sys.executable, "-m", "bench.fill", str(messages), str(size), to],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._filler.stdout is not None  # noqa: S101
        self._filler.stdout.readline()

    def release(self) -> None:
        """Let everything on hold leave now."""
        self._filler.communicate("\n", timeout=60)

    @property
    def data_dir(self) -> Path:
        """Where the worker keeps its files."""
        return Path(self._folder.name)
