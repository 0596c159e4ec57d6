"""Cut bytes into pieces anywhere, as a network may."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st


def cut(wire: bytes) -> st.SearchStrategy[list[bytes]]:
    """Return a strategy for the ways to cut `wire` into non-empty pieces."""
    places = st.sets(st.integers(1, max(1, len(wire) - 1)), max_size=12)
    return places.map(lambda found: _cut_at(wire, sorted(found)))


def octets(wire: bytes) -> list[bytes]:
    """Return `wire` octet by octet."""
    return [wire[place : place + 1] for place in range(len(wire))]


def _cut_at(wire: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *places, len(wire)]
    pieces = [wire[start:end] for start, end in pairwise(edges)]
    return [piece for piece in pieces if piece]
