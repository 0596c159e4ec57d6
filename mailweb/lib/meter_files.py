"""Where the processes of one machine keep their counters, so that each of them can show all.

Every process writes its own files, in memory that the kernel keeps for it: a process that is killed
loses nothing it has counted. Files of processes that have ended are added up in those named `past`,
so that there are never many, and no counter goes back.

Which process lives is told by a lock that it holds, not by its number: containers give every
process the same one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import struct
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from prometheus_client.mmap_dict import MmapedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDED_UP = ("counter", "histogram")
PAST = "past"
BROKEN = (RuntimeError, ValueError, IndexError, struct.error, OSError)

logger = logging.getLogger(__name__)


class Identity:
    """What this process calls its files; a child of a fork gets a name of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = 0
        self._name = ""
        self._alive: IO[bytes] | None = None

    def __call__(self) -> str:
        """Return the name; the first time, begin to hold the lock that says it lives."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._name = f"{self._pid}-{secrets.token_hex(4)}"
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self._folder):
                self._alive = (self._folder / f"{self._name}.alive").open("wb")
                fcntl.flock(self._alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._name


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the other processes from adding up, or reading, at the same time."""
    with (folder / "files.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def add_up_the_past(folder: Path) -> list[str]:
    """Add the counters of processes that have ended to those of the past.

    Returns the files to read now. The folder must be locked.
    """
    for alive in folder.glob("*.alive"):
        with alive.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _bury(folder, alive.stem)
            alive.unlink()
    return [str(path) for path in sorted(folder.glob("*.db")) if _is_sound(path)]


def _bury(folder: Path, name: str) -> None:
    for kind in ADDED_UP:
        path = folder / f"{kind}_{name}.db"
        if path.exists():
            if _is_sound(path):
                _add(path, folder / f"{kind}_{PAST}.db")
            path.unlink(missing_ok=True)
    for path in folder.glob(f"gauge_*_{name}.db"):
        path.unlink()


def _add(path: Path, past: Path) -> None:
    """Write the sum of both to a new file, and put it in the place of the old one."""
    sums: dict[str, float] = defaultdict(float)
    for one in (past, path):
        if one.exists() and _is_sound(one):
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(one)):
                sums[key] += value
    fresh = past.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    written = MmapedDict(str(fresh))
    for key, value in sums.items():
        written.write_value(key, value, 0.0)
    written.close()
    fresh.replace(past)


def _is_sound(path: Path) -> bool:
    """Whether a file can be read; one that a full disk has cut short is left aside."""
    try:
        for _ in MmapedDict.read_all_values_from_file(str(path)):
            pass
    except BROKEN:
        logger.warning("counters can't be read", extra={"file": path.name})
        return False
    return True
