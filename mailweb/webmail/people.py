"""Names as lists and heads of messages show them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_MOST = 3


def shown(name: str, address: str) -> str:
    """Return whom to show: a name that looks like an address could be a false one, so not that."""
    return name if name and "@" not in name else address or name or "(no sender)"


def names(people: Sequence[Sequence[str]], *, own: Collection[str] = ()) -> list[str]:
    """Return who these (name, address) pairs are; the reader's own addresses are "you"."""
    mine = {address.lower() for address in own}
    return [
        "you" if len(pair) > 1 and pair[1].lower() in mine else shown(*(*pair, "", "")[:2])
        for pair in people
    ]


def joined(found: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c" or "a, b and 4 others"."""
    if len(found) > _MOST:
        found = [*found[: _MOST - 1], f"{len(found) - _MOST + 1} others"]
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def initials(name: str) -> str:
    """Return up to two letters for the round sign beside a name."""
    words = [word for word in name.replace("@", " ").split() if word[0].isalnum()]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 and "@" not in name else words[:1]
    return "".join(letter[0] for letter in letters).upper() or "?"
