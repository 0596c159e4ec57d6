"""Plain text that fits every width: format=flowed (RFC 3676), as we write it."""

from __future__ import annotations

import re
from typing import Final

WIDTH: Final = 72
SIGNATURE: Final = "-- "
_MARKS: Final = re.compile(r"(?:> ?)*>")


def flow(text: str) -> str:
    """Return `text` with its long lines cut into flowed ones; all line ends become single LFs.

    Only a line that continues on the next one ends in a space. Joining them gives `text` back,
    but for spaces at the end of its lines. A word longer than a line is never cut.
    """
    lines = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    return "".join(f"{piece}\n" for line in lines for piece in _flowed(line))


def _flowed(line: str) -> list[str]:
    if line == SIGNATURE:
        return [line]
    marks, content = _quote(line)
    if marks:
        pieces = _wrapped(content.rstrip(" "), WIDTH - len(marks) - 1)
        return [f"{marks} {piece}" if piece else marks for piece in pieces]
    return [_stuffed(piece) for piece in _wrapped(content.rstrip(" "), WIDTH)]


def _quote(line: str) -> tuple[str, str]:
    """Split a quoted line into its marks, as RFC 3676 §4.5 writes them, and what is quoted."""
    found = _MARKS.match(line)
    if found is None:
        return "", line
    return ">" * found[0].count(">"), line[found.end() :].removeprefix(" ")


def _wrapped(content: str, width: int) -> list[str]:
    pieces = [""]
    for word in re.findall(r"[^ ]+ *|^ +", content):
        if pieces[-1] and len(pieces[-1]) + len(word.rstrip(" ")) > width:
            pieces.append("")
        pieces[-1] += word
    return pieces


def _stuffed(line: str) -> str:
    # RFC 3676 §4.4: what starts with a space, a quote mark or "From " gets one more space.
    return f" {line}" if line.startswith((" ", ">", "From ")) else line
