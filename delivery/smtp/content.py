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
    hide a second message in the first (SMTP smuggling).
    """

    __slots__ = ("_held", "_virtual", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        self._held = b"\r\n"  # as if a line had just ended: the first may be the lone dot
        self._virtual = 2  # how much of what is held was never received

    def feed(self, piece: bytes) -> tuple[bytes, bytes]:
        """Return the content in `piece`, and what came after the lone dot."""
        joined = self._held + piece
        end = joined.find(_END)
        if end >= 0:
            self.is_done = True
            return self._content(joined[: end + 2]), joined[end + 5 :]
        cut = len(joined) - _begun_end(joined)
        self._held = joined[cut:]
        return self._content(joined[:cut]), b""

    def _content(self, stuffed: bytes) -> bytes:
        if not stuffed:
            return b""
        virtual, self._virtual = self._virtual, 0
        return stuffed.replace(b"\r\n.", b"\r\n")[virtual:]


class Intake:
    """The content of one message on its way in, by one DATA or by several BDAT.

    `size` counts all of it. Beyond `limit` it is counted and thrown away.
    """

    __slots__ = ("_endings", "_left", "_limit", "_reader", "size")

    def __init__(self, limit: int | None = None) -> None:
        self.size = 0
        self._limit = limit
        self._endings = LineEndings()
        self._reader: ContentReader | None = None
        self._left = 0

    def expect_dot(self) -> None:
        """Say that all content follows now, up to the lone dot."""
        self._reader = ContentReader()

    def expect(self, size: int) -> None:
        """Say that the next `size` octets are content."""
        self._left = size

    def take(self, buffer: bytearray) -> bytes:
        """Remove from `buffer` what was expected, and return the content to keep."""
        if self._reader is not None:
            content, rest = self._reader.feed(bytes(buffer))
            buffer[:] = rest
        else:
            content = bytes(buffer[: self._left])
            del buffer[: self._left]
            self._left -= len(content)
        self.size += len(content)
        self._endings.feed(content)
        return b"" if self.is_too_large else content

    def finish(self) -> None:
        """Say that this was all."""
        self._endings.finish()

    @property
    def is_done(self) -> bool:
        """Whether everything expected so far has arrived."""
        return self._left == 0 if self._reader is None else self._reader.is_done

    @property
    def is_clean(self) -> bool:
        """Whether no CR or LF stood alone so far."""
        return self._endings.is_clean

    @property
    def is_too_large(self) -> bool:
        """Whether there was more than the limit."""
        return self._limit is not None and self.size > self._limit


def _begun_end(joined: bytes) -> int:
    """Return how many of the last octets might be the beginning of the end."""
    return next((size for size in (4, 3, 2, 1) if joined.endswith(_END[:size])), 0)
