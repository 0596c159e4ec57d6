"""Finds an installed server, or ends the test that wanted it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import pytest

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"))
UNPACKED = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mailweb/peers"
"""Where `.ci/peers` unpacks packages that can't be installed beside each other."""

READY_SECONDS = 20.0


def program(name: str) -> str:
    """Return the path of an installed program; without it the test is skipped, or in CI fails."""
    return shutil.which(name, path=PATH) or missing(name)


def unpacked(name: str, *, of: str) -> Path:
    """Return the path of an unpacked program, for instance `usr/sbin/exim4`; `of` says what it is of."""
    path = UNPACKED / name
    return path if path.exists() else missing(of)


def missing(name: str) -> NoReturn:
    """End the test that needs `name`: loudly in CI, where everything must be there."""
    reason = f"{name} is not here; .ci/peers installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def root_needed_by(name: str) -> None:
    """Skip the test unless it is root who runs it; in CI too, where not everybody is."""
    if os.geteuid():
        pytest.skip(f"{name} can be started by root only")


def remove(folder: Path) -> None:
    """Remove a folder in which processes that are just ending may still write."""

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_gone, what=f"the end of {folder}")


def wait_until(is_ready: Callable[[], bool], *, what: str, log: Iterable[Path] = ()) -> None:
    """Wait for a server that has just been started.

    Raises:
        RuntimeError: it is not ready in time; what is in its log is in the message.
    """
    until = time.monotonic() + READY_SECONDS
    while not is_ready():
        if time.monotonic() > until:
            said = "\n".join(path.read_text(errors="replace") for path in log if path.exists())
            raise RuntimeError(f"{what} is not ready after {READY_SECONDS:.0f} s\n{said}")
        time.sleep(0.05)
