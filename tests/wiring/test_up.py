from __future__ import annotations

import os
import signal
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

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = {"daphne", "delivery@%h", "default@%h", "beat"}
DEMO = {*PROGRAMS, "lab"}


class Instance:
    """A running `manage.py up` with a data directory of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int, data: Path) -> None:
        self.process = process
        self.port = port
        self._mark = f"DATA_DIR={data}".encode()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=60) as got:
                return bool(got.read() == b"ok\n")
        except OSError:
            return False

    def children(self) -> dict[str, int]:
        """Return the processes that work in this data directory, wherever they hang in the tree."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            if int(folder.name) == self.process.pid:
                continue
            try:
                is_ours = self._mark in (folder / "environ").read_bytes().split(b"\0")
                words = (folder / "cmdline").read_bytes().decode().split("\0") if is_ours else []
            except OSError:
                continue
            found.update({name: int(folder.name) for name in DEMO & set(words)})
        return found

    def settled(self, programs: set[str]) -> dict[str, int]:
        """Return the processes once they are these."""
        eventually(lambda: self.children().keys() == programs)
        return self.children()


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[Instance]:
    port = free_port()
    command = [sys.executable, "manage.py", "up", "--port", str(port), *arguments]
    environment = {**os.environ, "DATA_DIR": str(data), "BASE_URL": f"http://127.0.0.1:{port}"}
    environment["DJANGO_SETTINGS_MODULE"] = "mailweb.settings"
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Instance(process, port, data)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_up_serves_pages_restarts_what_is_killed_and_stops_without_a_trace(tmp_path: Path) -> None:
    with running(tmp_path) as instance:
        assert eventually(instance.answers)
        before = instance.settled(PROGRAMS)
        os.kill(before["daphne"], signal.SIGKILL)
        os.kill(before["delivery@%h"], signal.SIGKILL)
        assert eventually(instance.answers)
        after = instance.settled(PROGRAMS)
        assert {name for name in PROGRAMS if before[name] == after[name]} == {"default@%h", "beat"}
        instance.process.send_signal(signal.SIGINT)
        instance.process.communicate(timeout=30)
        assert instance.process.returncode == 0
        assert instance.children() == {}


def test_demo_follows_its_lab_to_other_ports(tmp_path: Path) -> None:
    with running(tmp_path, "--demo") as instance:
        assert eventually(instance.answers)
        before = instance.settled(DEMO)
        os.kill(before["lab"], signal.SIGKILL)

        def those_before() -> set[str]:
            return {name for name, pid in instance.settled(DEMO).items() if pid == before[name]}

        assert eventually(lambda: those_before() == {"beat"})


def test_killed_up_leaves_nobody(tmp_path: Path) -> None:
    with running(tmp_path) as instance:
        assert instance.settled(PROGRAMS).keys() == PROGRAMS
        instance.process.kill()
        assert eventually(lambda: not instance.children())


def test_second_up_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as instance:
        assert eventually(instance.answers)
        with running(tmp_path) as second:
            assert second.process.wait(30) == 1
