r"""What a stranger wrote, made safe for a header field (RFC 5322 §2.2, §3.2.2).

Rule: whatever goes in, what comes out is one field: no line of it is empty, ends the header, or
has more than 998 octets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

USUAL_LINE: Final = 76
LONGEST_WORD: Final = 900
"""A word of more octets is cut: RFC 5322 §2.1.1 allows lines of 998."""

_SPECIAL = re.compile(r"[()\\]")
_SPACES = re.compile(r"\s+")
_NOT_ASCII = re.compile(r"[^ -~]")


def one_line(text: str) -> str:
    """Return the text without controls, line breaks or anything else that cannot be seen."""
    if text.isprintable():
        return text.strip()
    seen = (character if character.isprintable() else " " for character in text)
    return _SPACES.sub(" ", "".join(seen)).strip()


def in_ascii(text: str) -> str:
    """Return one line in which a question mark stands for every character outside ASCII."""
    return _NOT_ASCII.sub("?", one_line(text))


def comment(text: str, *, limit: int = 300) -> str:
    """Return the text as a comment (RFC 5322 §3.2.2), cut where it is longer than `limit`."""
    line = one_line(text)
    short = line if len(line) <= limit else f"{line[: limit - 3]}..."
    return f"({_SPECIAL.sub(lambda found: chr(92) + found[0], short)})"


def field(name: str, *lines: str) -> str:
    """Return a folded field with its CRLF, or "" for one without a value.

    Each of `lines` begins a line of the field. Unfolding gives them back with a space between;
    only a word of more than 900 octets has another one in it.
    """
    said = [line for line in map(one_line, lines) if line]
    if not said:
        return ""
    first, *others = said
    folded = [*_folded(f"{name}: {first}", keep=len(name) + 2)]
    for line in others:
        folded += _folded(f" {line}", keep=1)
    return "".join(f"{line}\r\n" for line in folded)


def _folded(line: str, *, keep: int) -> Iterator[str]:
    """Cut a line before spaces; the first `keep` characters stay together with what follows."""
    while len(line.encode()) > USUAL_LINE:
        at = _fold_at(line, keep)
        if at is None:
            break
        head, line = line[:at], line[at:]
        yield head
        line = line if line.startswith(" ") else f" {line}"
        keep = 1
    yield line


def _fold_at(line: str, keep: int) -> int | None:
    """Return where to cut: before the last space that leaves a usual line, or the first after."""
    usual = _within(line, USUAL_LINE)
    at = line.rfind(" ", keep, usual)
    # A line of nothing but spaces would be the end of the header to some.
    if at > 0 and line[keep:at].strip():
        return at
    longest = _within(line, LONGEST_WORD)
    start = keep + len(line[keep:]) - len(line[keep:].lstrip(" "))
    at = line.find(" ", start, longest + 1)
    if at > 0:
        return at
    return longest if longest < len(line) else None


def _within(line: str, octets: int) -> int:
    """Return how many characters of `line` take at most so many octets."""
    if line.isascii():
        return min(len(line), octets)
    return len(line.encode()[:octets].decode("utf-8", "ignore"))
