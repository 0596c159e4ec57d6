"""Makes pictures small: PNG with at most 256 colours. A page has few, but for the edges of letters."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
CLOSE = 48
"""Colours whose squared distance is less look alike; one of them is enough."""

RGB = 2


def shrink(path: Path) -> int:
    """Write the picture anew with the colours it uses most; return its size in bytes."""
    chunks = list(_chunks(path.read_bytes()))
    width, height, _, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    depth = 3 if kind == RGB else 4
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    pixels = [
        [row[at : at + 3] for at in range(0, len(row), depth)]
        for row in _rows(data, width * depth, depth)
    ]
    counted = Counter(pixel for row in pixels for pixel in row)
    palette = _palette(counted)
    places = _places(counted, palette)
    lines = b"".join(b"\0" + bytes(places[pixel] for pixel in row) for row in pixels)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    path.write_bytes(SIGNATURE + b"".join(_chunk(name, body) for name, body in parts))
    return path.stat().st_size


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _palette(counted: Counter[bytes]) -> list[bytes]:
    """Return the colours that are used most, none that is close to one before it."""
    palette: list[bytes] = []
    for colour, _ in counted.most_common():
        if len(palette) < COLOURS and all(_distance(colour, one) >= CLOSE for one in palette):
            palette.append(colour)
    return palette


def _places(counted: Counter[bytes], palette: list[bytes]) -> dict[bytes, int]:
    """Return for each colour where in the palette it, or the nearest to it, is."""
    numbers = range(len(palette))
    return {
        colour: min(numbers, key=lambda at: _distance(colour, palette[at])) for colour in counted
    }


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _rows(data: bytes, size: int, depth: int) -> Iterator[bytes]:
    """Undo the filters of the rows (PNG, §9)."""
    above = bytes(size)
    for start in range(0, len(data), size + 1):
        row = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + size]), above, depth)
        yield row
        above = row


def _unfiltered(kind: int, row: bytearray, above: bytes, depth: int) -> bytes:
    if kind == 0:
        return bytes(row)
    for at, value in enumerate(row):
        left = row[at - depth] if at >= depth else 0
        up, corner = above[at], above[at - depth] if at >= depth else 0
        guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
        row[at] = (value + guess) & 0xFF
    return bytes(row)


def _paeth(left: int, up: int, corner: int) -> int:
    near = left + up - corner
    return min((left, up, corner), key=lambda one: abs(near - one))
