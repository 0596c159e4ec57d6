"""What the rules of the house are checked against: the tracked files, by kind."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    """Return the files under version control that match one of `patterns`, and exist."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return sorted(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


def name_of(path: Path) -> str:
    """Return the name of a file as people write it."""
    return str(path.relative_to(ROOT))


PYTHON = [path for path in tracked("*.py") if "migrations" not in path.parts]
PROGRAM = [path for path in PYTHON if path.relative_to(ROOT).parts[0] != "tests"]
TEMPLATES = tracked("templates/*.html")


def offenders(paths: Iterable[Path], offends: Callable[[str], object]) -> list[str]:
    """Return the names of the files whose text offends."""
    return [name_of(path) for path in paths if offends(path.read_text(encoding="utf-8"))]
