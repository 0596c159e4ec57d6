"""The parts of a message as byte ranges of it. Bounded in depth and number; never raises.

Paths are those of IMAP: the only part of a plain message is "1", the second part of the first
part is "1.2".
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailweb.webmail.mime import headers

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 16
MAX_PARTS = 400
MAX_BOUNDARY = 200

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,59}/[a-z0-9!#$&^_.+-]{1,59}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part. A multipart has `children`; any other has content between `start` and `end`."""

    path: str
    headers: headers.Headers
    content_type: str
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""
    filename: str = ""
    start: int
    end: int
    children: tuple[Part, ...] = ()

    @property
    def content_id(self) -> str:
        """The name by which HTML refers to this part, without its angle brackets."""
        return headers.one_line(self.headers.first("content-id")).strip("<>")[:255]

    def leaves(self) -> Iterator[Part]:
        """Yield every part that has content, in order."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def content(self, data: bytes) -> bytes:
        """Return the decoded content of this part of `data`."""
        raw = data[self.start : self.end]
        encoding = self.headers.first("content-transfer-encoding").strip().lower()
        if encoding == "base64":
            return headers.decode_base64(raw)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(raw)
        return raw


class _Reader:
    """Reads one message and counts the parts it has met."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.parts = 0

    def part(self, path: str, start: int, end: int, *, default: str = "text/plain") -> Part:
        """Read the part between two offsets; `path` is "" for the message itself."""
        self.parts += 1
        fields, body = headers.split(self.data, start, end)
        kind = headers.parametrised(fields.first("content-type"))
        place = headers.parametrised(fields.first("content-disposition"))
        content_type = kind.value if _TYPE.fullmatch(kind.value) else default
        children = self._children(path, content_type, kind.parameters, body, end)
        return Part(
            path=path or "1",
            headers=fields,
            content_type=content_type,
            parameters=kind.parameters,
            disposition=place.value,
            filename=place.parameters.get("filename") or kind.parameters.get("name", ""),
            start=min(body, end),
            end=end,
            children=children,
        )

    def _children(
        self, path: str, content_type: str, parameters: dict[str, str], start: int, end: int
    ) -> tuple[Part, ...]:
        boundary = parameters.get("boundary", "")
        is_open = content_type.startswith("multipart/") and 0 < len(boundary) <= MAX_BOUNDARY
        if not is_open or path.count(".") + 1 >= MAX_DEPTH:
            return ()
        default = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
        children: list[Part] = []
        for number, (first, last) in enumerate(self._ranges(boundary, start, end), start=1):
            if self.parts >= MAX_PARTS:
                break
            name = f"{path}.{number}" if path else str(number)
            children.append(self.part(name, first, last, default=default))
        return tuple(children)

    def _ranges(self, boundary: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield where each part between the boundary lines begins and ends."""
        line = re.compile(
            rb"^--" + re.escape(boundary.encode("utf-8", "replace")) + rb"(--)?[ \t]*\r?$",
            re.MULTILINE,
        )
        begin = None
        for found in line.finditer(self.data, start, end):
            if begin is not None:
                yield begin, max(begin, self._without_line_end(found.start()))
            if found[1]:
                return
            begin = min(found.end() + 1, end)
        if begin is not None:
            yield begin, end

    def _without_line_end(self, offset: int) -> int:
        """Step back over the line end that belongs to the boundary."""
        if self.data[offset - 1 : offset] == b"\n":
            offset -= 1
        return offset - 1 if self.data[offset - 1 : offset] == b"\r" else offset


def read(data: bytes) -> Part:
    """Return the message as a tree of parts."""
    return _Reader(data).part("", 0, len(data))


def find(root: Part, path: str) -> Part | None:
    """Return the part with content at `path`, or None."""
    return next((leaf for leaf in root.leaves() if leaf.path == path), None)
