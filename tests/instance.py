"""A whole Mailweb of its own: `manage.py up` on a free port, with a data directory to itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services import free_port
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[1]
SERVICES = frozenset({"daphne", "delivery@%h", "default@%h", "beat"})
DEMO = SERVICES | {"lab"}
STOP_SECONDS = 30


class Instance:
    """One running installation."""

    def __init__(
        self, process: subprocess.Popen[bytes], *, url: str, environment: dict[str, str]
    ) -> None:
        self.process = process
        self.url = url
        self.environment = environment
        self.data = Path(environment["DATA_DIR"])
        self.told = ""  # what `create_demo` printed, where it was run by hand

    @property
    def log(self) -> str:
        """Everything its processes printed."""
        return (self.data / "up.log").read_text(encoding="utf-8")

    @property
    def passwords(self) -> dict[str, str]:
        """The log-ins of the demo, as its welcome prints them."""
        return dict(re.findall(r"^ *(\S+) +(\S+-in-the-demo)$", self.log + self.told, re.MULTILINE))

    def manage(self, *arguments: str, standard_input: bytes = b"") -> str:
        """Run a management command beside it, and return what it prints."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            input=standard_input,
            cwd=CHECKOUT,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
        )
        return done.stdout.decode()

    def answers(self) -> bool:
        """Ask whether the web process is alive; waits for it while it starts."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=60) as answer:
                return bool(answer.read() == b"ok\n")
        except OSError:
            return False

    def is_ready(self) -> bool:
        """Say whether it has welcomed its user."""
        return "Mailweb is ready" in self.log or self.process.poll() is not None

    def children(self) -> dict[str, int]:
        """Return the processes that work in this data directory, wherever they hang in the tree."""
        mark = f"DATA_DIR={self.data}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            if int(folder.name) == self.process.pid:
                continue
            try:
                is_ours = mark in (folder / "environ").read_bytes().split(b"\0")
                words = (folder / "cmdline").read_bytes().decode().split("\0") if is_ours else []
            except OSError:
                continue
            found.update({name: int(folder.name) for name in DEMO & set(words)})
        return found

    def settled(self, programs: frozenset[str]) -> dict[str, int]:
        """Return the processes once they are these."""
        eventually(lambda: self.children().keys() == programs)
        return self.children()


@contextmanager
def running(data: Path, *arguments: str, **environment: str) -> Iterator[Instance]:
    """Run `manage.py up` with `arguments` in `data`, and stop it in the end."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "manage.py", "up", "--port", str(port), *arguments]
    own = {"DATA_DIR": str(data), "BASE_URL": url, "DJANGO_SETTINGS_MODULE": "mailweb.settings"}
    whole = {**os.environ, **own, **environment}
    with (
        (data / "up.log").open("wb") as log,
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=whole,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield Instance(process, url=url, environment=whole)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
