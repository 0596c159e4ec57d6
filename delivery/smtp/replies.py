"""What servers say: a code of three digits, often an enhanced code, and text.

The code is read strictly, the text leniently. Every `Reply` can be written back as it came,
because people who look into a failed delivery need the words of the other side.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from functools import lru_cache

from delivery.smtp.errors import LocalProtocolError, RemoteProtocolError
from delivery.smtp.limits import MAX_REPLY, MAX_REPLY_LINE

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?: |\Z)")
_LINE_BREAKING = re.compile(r"[\r\n\0]")
_CONTROLS = re.compile(r"[\0-\x08\x0a-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, order=True)
class EnhancedCode:
    """An enhanced status code of RFC 3463, such as 5.1.1: class, subject and detail."""

    class_: int
    subject: int
    detail: int

    @classmethod
    def parse(cls, text: str) -> EnhancedCode | None:
        """Return the code `text` begins with, or None."""
        found = _ENHANCED.match(text)
        return cls(*map(int, found.groups())) if found else None

    def __str__(self) -> str:
        return f"{self.class_}.{self.subject}.{self.detail}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, of one or more lines.

    `lines` is the text after the code. The enhanced code is taken out of it when every line
    carries the same one; otherwise the lines are kept as they came.
    """

    code: int
    enhanced: EnhancedCode | None = None
    lines: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise LocalProtocolError(f"{self.code} is not a reply code.")
        if not self.lines or any(map(_LINE_BREAKING.search, self.lines)):
            raise LocalProtocolError("A reply needs lines without CR, LF and NUL.")

    @classmethod
    def challenge(cls, data: bytes) -> Reply:
        """Return the 334 that asks an AUTH client to respond to `data`."""
        return cls(334, None, (b2a_base64(data, newline=False).decode("ascii"),))

    @property
    def is_positive(self) -> bool:
        """Whether the command was carried out (2yz)."""
        return self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """Whether the server waits for the rest: content after 354, a response after 334."""
        return 300 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """Whether the same command may succeed later (4yz)."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """Whether repeating the command is of no use (5yz)."""
        return self.code >= 500

    @property
    def text(self) -> str:
        """The words without any code, one line under the other."""
        return "\n".join(map(self._without_enhanced, self.lines))

    @property
    def whole(self) -> str:
        r"""The reply as it is on the wire: "550-5.1.1 no such\n550 5.1.1 mailbox"."""
        mark = "" if self.enhanced is None or self._shows_enhanced else f"{self.enhanced} "
        *most, last = self.lines
        opening = "".join([f"{self.code}-{mark}{line}\n" for line in most])
        return f"{opening}{self.code} {mark}{last}"

    def to_bytes(self) -> bytes:
        """Return what a server writes."""
        return self.whole.replace("\n", "\r\n").encode("utf-8", "replace") + b"\r\n"

    def decode_challenge(self) -> bytes:
        """Return what a 334 asks an AUTH client to respond to.

        Raises:
            RemoteProtocolError: it is not one line of base64.
        """
        try:
            return a2b_base64(" ".join(self.lines).encode("ascii"), strict_mode=True)
        except (Base64Error, UnicodeEncodeError):
            raise RemoteProtocolError("The challenge is not base64.", reply=self) from None

    def __str__(self) -> str:
        return self.whole

    @property
    def _shows_enhanced(self) -> bool:
        return self.enhanced in map(EnhancedCode.parse, self.lines)

    def _without_enhanced(self, line: str) -> str:
        found = _ENHANCED.match(line) if self.enhanced else None
        return line[found.end() :] if found else line


class ReplyParser:
    """Cuts a stream of bytes into replies, whatever pieces it arrives in."""

    __slots__ = ("_buffer", "_code", "_lines", "_size")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._code = 0
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def unread(self) -> int:
        """How many octets have arrived after the last whole reply."""
        return len(self._buffer) + self._size

    def receive_data(self, chunk: bytes) -> None:
        """Take in what the socket gave."""
        self._buffer += chunk

    def next_reply(self) -> Reply | None:
        """Return the next whole reply, or None if more bytes are needed.

        Raises:
            RemoteProtocolError: what arrived is not a reply, or is too long for one.
        """
        buffer = self._buffer
        while (end := buffer.find(b"\n", 0, MAX_REPLY_LINE)) >= 0:
            line = bytes(buffer[:end]).removesuffix(b"\r")
            del buffer[: end + 1]
            if not self._lines and line[3:4] != b"-":
                return _single_line(line)
            reply = self._add(line)
            if reply is not None:
                return reply
        if len(buffer) >= MAX_REPLY_LINE:
            raise RemoteProtocolError("A line of the reply is too long.")
        return None

    def _add(self, line: bytes) -> Reply | None:
        code, is_last, text = _split(line)
        if self._lines and code != self._code:
            raise RemoteProtocolError(f"One reply has two codes, {self._code} and {code}.")
        self._code = code
        self._lines.append(text)
        self._size += len(line)
        if self._size > MAX_REPLY:
            raise RemoteProtocolError("The reply has too many lines.")
        if not is_last:
            return None
        lines, self._lines, self._size = self._lines, [], 0
        return _reply(code, lines)


@lru_cache(maxsize=256)
def _single_line(line: bytes) -> Reply:
    """Return the reply that is just `line`; "250 2.1.5 Ok" is read many thousand times."""
    code, _, text = _split(line)
    return _reply(code, [text])


def _split(line: bytes) -> tuple[int, bool, bytes]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise RemoteProtocolError(f"Not a reply: {_decode(line[:80])!r}.")
    code, separator, text = found.groups()
    return int(code), separator != b"-", text or b""


def _reply(code: int, raw: list[bytes]) -> Reply:
    lines = tuple(map(_decode, raw))
    enhanced = next(filter(None, map(EnhancedCode.parse, lines)), None)
    if enhanced is None or enhanced.class_ != code // 100:
        return Reply(code, None, lines)
    prefix = f"{enhanced} "
    bare = tuple(line.removeprefix(prefix) for line in lines)
    is_everywhere = all(line.startswith(prefix) for line in lines)
    # A line that repeats the code could not be told from one that was left as it came.
    if is_everywhere and enhanced not in map(EnhancedCode.parse, bare):
        return Reply(code, enhanced, bare)
    return Reply(code, enhanced, lines)


def _decode(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    if text.isprintable():
        return text
    # Text columns refuse NUL and terminals obey escapes, so controls are shown as unreadable.
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)
