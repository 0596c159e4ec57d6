"""Mailweb's side: a private database, filled and held, and one worker process that drains it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.load import Load
from bench.sink import ROOT
from tests.services import postgresql


class Worker:
    """One `manage.py queue run`, with a data directory and a database of its own.

    A context manager; `database` is `sqlite` or `postgresql`, `more` are settings.
    """

    def __init__(self, environment: dict[str, str], *, database: str, **more: str) -> None:
        self._own = ExitStack()
        self._filler: subprocess.Popen[str] | None = None
        folder = self._own.enter_context(tempfile.TemporaryDirectory(prefix="mailweb-bench-"))
        if database == "postgresql":
            more["DATABASE_URL"] = self._own.enter_context(postgresql())
        self._environment = {
            **os.environ,
            **environment,
            "DATA_DIR": folder,
            "MAIL_HOSTNAME": "bench.mailweb.test",
            "LOG_LEVEL": "warning",
            "MAX_RECIPIENTS": "2000",
            **more,
        }

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
        self._dismiss_filler()
        self._process.terminate()
        self._process.wait(20)
        self._own.close()

    def _manage(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def fill(self, load: Load) -> None:
        """Put messages into the queue, on hold; the process that did it waits to release them."""
        self._dismiss_filler()
        self._filler = subprocess.Popen(
            [sys.executable, "-m", "bench.fill"],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._tell(json.dumps({"messages": load.messages, "bytes": load.size}))

    def release(self) -> None:
        """Let everything on hold leave now; return once that is committed."""
        self._tell("")

    def _dismiss_filler(self) -> None:
        """Let the last filler end; it waits for that, so as to take no time from what is measured."""
        if self._filler is not None:
            self._filler.communicate("", timeout=60)
            self._filler = None

    def _tell(self, line: str) -> None:
        """Say something to the filler, and wait for its answer."""
        assert self._filler is not None  # noqa: S101
        assert self._filler.stdin is not None  # noqa: S101
        assert self._filler.stdout is not None  # noqa: S101
        self._filler.stdin.write(f"{line}\n")
        self._filler.stdin.flush()
        if not self._filler.stdout.readline():
            raise RuntimeError("the queue could not be filled")

    @property
    def cpu_seconds(self) -> float:
        """The processor time that the worker process has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_bytes(self) -> int:
        """The memory that the worker process uses now."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
