"""What commands print: aligned columns for people, one JSON document for programs."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """Return rows as lines whose columns stand under each other."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not texts:
        return []
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    ]


def duration(text: str) -> timedelta:
    """Read `90s`, `15m`, `3h` or `2d`.

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 15m, 3h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def shell_name() -> str:
    """Return who is at the shell: the system's name of them, and who logged in if that was another."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = f"user {os.geteuid()}"
    try:
        login = os.getlogin()
    except OSError:  # no terminal
        return name
    return name if login == name else f"{name} ({login})"
