"""Numbers as people write them in a sentence."""

from __future__ import annotations

from typing import Final

_WORDS: Final = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)


def spelled(number: int) -> str:
    """Return a number up to ten as a word, a larger one in figures: two, 12, 2,000."""
    return _WORDS[number] if 0 <= number < len(_WORDS) else f"{number:,}"
