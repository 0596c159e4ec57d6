"""Cuts what a client sends into command lines and contents of messages. No I/O.

The lab reads SMTP on its own, not with the engine that Mailweb sends with: two that make the
same mistake would agree with each other.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_LINE = 2048
_END = b"\r\n.\r\n"


class LineTooLongError(Exception):
    """The client sent a line without end."""


@dataclass(frozen=True, slots=True)
class Line:
    """One command line, without its CRLF."""

    text: str

    @property
    def verb(self) -> str:
        """The first word."""
        return self.text.partition(" ")[0].upper()


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a message; the dots of DATA are undone."""

    data: bytes


class Reader:
    """Bytes in, events out; `expect_content` says that what follows is a message."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_content = False
        self._searched = 0

    @property
    def has_unread(self) -> bool:
        """Whether bytes came that no event has told of."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._buffer += data

    def expect_content(self) -> None:
        """Read up to the lone dot next."""
        self._is_content, self._searched = True, 0

    def next_event(self) -> Line | Content | None:
        """Return the next whole line or content; None if more bytes are needed."""
        return self._content() if self._is_content else self._line()

    def _line(self) -> Line | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MAX_LINE:
                raise LineTooLongError
            return None
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return Line(line.decode("utf-8", "surrogateescape"))

    def _content(self) -> Content | None:
        if self._buffer.startswith(_END[2:]):
            return self._take(0, len(_END) - 2)
        end = self._buffer.find(_END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(_END) + 1)
            return None
        return self._take(end + 2, end + len(_END))

    def _take(self, end: int, after: int) -> Content:
        data = bytes(self._buffer[:end])
        del self._buffer[:after]
        self._is_content = False
        if data.startswith(b".") or b"\n." in data:
            data = data.removeprefix(b".").replace(b"\r\n.", b"\r\n")
        return Content(data)
