"""Content on its way through DATA: line endings, and dots that must not end it too early.

Content arrives in pieces cut anywhere. Every function here works on whole pieces with the
searches of `bytes`, never octet by octet, and remembers just enough of the piece before.
"""

from __future__ import annotations

from delivery.smtp.errors import LocalProtocolError

_END = b"\r\n.\r\n"


class LineEndings:
    """Tells whether every CR and LF is half of a CRLF."""

    __slots__ = ("_ends_in_cr", "is_clean")

    def __init__(self) -> None:
        self.is_clean = True
        self._ends_in_cr = False

    def feed(self, piece: bytes) -> None:
        """Look at the next piece."""
        if not piece:
            return
        opens, closes = self._ends_in_cr, piece.endswith(b"\r")
        pairs = piece.count(b"\r\n") + (opens and piece.startswith(b"\n"))
        # A CR at the end waits for the next piece; one from the piece before counts here.
        if piece.count(b"\r") + opens - closes != pairs or piece.count(b"\n") != pairs:
            self.is_clean = False
        self._ends_in_cr = closes

    def finish(self) -> None:
        """Say that nothing follows."""
        self.is_clean = self.is_clean and not self._ends_in_cr


class ContentWriter:
    """Makes content ready for DATA: doubles the dot at the start of a line (RFC 5321 §4.5.2)."""

    __slots__ = ("_endings", "_last")

    def __init__(self) -> None:
        self._endings = LineEndings()
        self._last = b"\r\n"  # the first line begins a line too

    def feed(self, piece: bytes) -> bytes:
        """Return what to write for the next piece.

        Raises:
            LocalProtocolError: a CR or LF stands alone; RFC 5321 §2.3.8 forbids it, and
                servers differ on what it means.
        """
        self._endings.feed(piece)
        if not self._endings.is_clean:
            raise LocalProtocolError("Content has a CR or LF that stands alone.")
        known = len(self._last)
        joined = self._last + piece
        self._last = joined[-2:]
        return joined.replace(b"\r\n.", b"\r\n..")[known:]

    def finish(self) -> bytes:
        """Return the lone dot.

        Raises:
            LocalProtocolError: the content's last line has no end.
        """
        if self._last != b"\r\n":
            raise LocalProtocolError("Content does not end with CRLF.")
        return b".\r\n"


class ContentReader:
    """Takes content out of what follows DATA.

    Only CRLF, dot, CRLF ends it. A dot between other line ends is content, so that nobody can
    hide a second message in the first (SMTP smuggling); `is_clean` says whether there were any.
    """

    __slots__ = ("_endings", "_held", "_skip", "is_done")

    def __init__(self) -> None:
        self._endings = LineEndings()
        self._held = b"\r\n"  # as if a line had just ended: the first may be the lone dot
        self._skip = 2
        self.is_done = False

    @property
    def is_clean(self) -> bool:
        """Whether every line so far ended with CRLF."""
        return self._endings.is_clean

    def feed(self, piece: bytes) -> tuple[bytes, bytes]:
        """Return the content in `piece`, and what came after the lone dot."""
        joined = self._held + piece
        end = joined.find(_END)
        self.is_done = end >= 0
        cut = end + 2 if self.is_done else len(joined) - _length_of_end(joined)
        self._held = joined[cut:] if not self.is_done else b""
        content = joined[:cut].replace(b"\r\n.", b"\r\n")
        if content:
            content, self._skip = content[self._skip :], 0
        self._endings.feed(content)
        return content, joined[end + 5 :] if self.is_done else b""


def _length_of_end(joined: bytes) -> int:
    """Return how many of the last octets might be the beginning of the end."""
    return next((size for size in (4, 3, 2, 1) if joined.endswith(_END[:size])), 0)
