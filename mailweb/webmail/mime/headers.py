"""Header fields as they come: folded, in any charset, broken. Never raises, never grows.

Rule: what leaves this module as text for people is one line without control characters.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mailweb.webmail.mime import charsets

MAX_BYTES = 256 * 1024
MAX_FIELDS = 1000
MAX_VALUE = 64 * 1024
MAX_PARAMETERS = 8 * 1024

_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([BbQq])\?([^?]*)\?=")
_PARAMETER = re.compile(r';\s*([^=;\s"]{1,80})\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_CONTINUED = re.compile(r"(.+?)\*(\d{1,3})?(\*)?\Z")

# Controls, and the marks that turn the direction of what follows: both can disguise a name.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Fields in the order they came: (name in lower case, unfolded value, words not decoded)."""

    fields: tuple[tuple[str, str], ...] = ()

    def first(self, name: str) -> str:
        """Return the first value of the field, or ""."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of the field."""
        return tuple(value for key, value in self.fields if key == name)

    def text(self, name: str) -> str:
        """Return the first value of the field, decoded, for people."""
        return decode_words(self.first(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parametrised:
    """A value like `text/plain; charset=utf-8`: the value in lower case, its parameters decoded."""

    value: str
    parameters: dict[str, str]


def split(data: bytes, start: int, end: int) -> tuple[Headers, int]:
    """Read the fields that begin at `start`; return them and where the body begins."""
    for blank in (b"\r\n", b"\n"):
        if data.startswith(blank, start, end):
            return Headers(), start + len(blank)
    found = _END.search(data, start, end)
    block_end, body = (found.start(), found.end()) if found else (end, end)
    return _fields(data[start : min(block_end, start + MAX_BYTES)]), body


def _fields(block: bytes) -> Headers:
    """Read a header block; lines that are no fields (an mbox separator) are passed over."""
    fields = []
    for line in _FOLD.sub(b"", block).split(b"\n")[:MAX_FIELDS]:
        name, colon, value = line.partition(b":")
        key = name.strip().decode("ascii", "replace").lower()
        if colon and key and " " not in key:
            fields.append((key, charsets.decode(value[:MAX_VALUE]).strip()))
    return Headers(fields=tuple(fields))


def one_line(text: str) -> str:
    """Return `text` without what a person cannot see, runs of white space as one space."""
    return _SPACES.sub(" ", _UNSEEN.sub(" ", text)).strip()


def decode_words(value: str) -> str:
    """Decode RFC 2047 words wherever they stand, and return one clean line."""
    return one_line(_decode_words(value))


def _decode_words(value: str) -> str:
    pieces: list[str] = []
    pending = b""
    charset = ""
    end = 0
    for word in _WORD.finditer(value):
        between = value[end : word.start()]
        name = word[1].partition("*")[0].lower()
        # A character may be cut in two by a word's end: words that touch are decoded together.
        if between.strip() or name != charset:
            pieces.append(charsets.decode(pending, charset))
            pieces.append(between if between.strip() or not end else "")
            pending = b""
        charset = name
        pending += _word_bytes(word[2], word[3])
        end = word.end()
    pieces.append(charsets.decode(pending, charset))
    return "".join(pieces) + value[end:]


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "Bb":
        return decode_base64(data)
    return binascii.a2b_qp(data, header=True)


def decode_base64(data: bytes) -> bytes:
    """Decode base64 that may be wrapped, cut short or sprinkled with other characters."""
    clean = re.sub(rb"[^A-Za-z0-9+/]+", b"", data)
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def parametrised(value: str) -> Parametrised:
    """Read `value; name=text`, with RFC 2231 continuations and charsets."""
    value = value[:MAX_PARAMETERS]
    main = value.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for found in _PARAMETER.finditer(value):
        name, text = found[1].lower(), _unquoted(found[2].strip())
        if continued := _CONTINUED.match(name):
            piece = (bool(continued[3]) or not continued[2], text)
            pieces.setdefault(continued[1], {}).setdefault(int(continued[2] or 0), piece)
        else:
            plain.setdefault(name, decode_words(text))
    joined = {name: _joined(parts) for name, parts in pieces.items()}
    return Parametrised(value=main, parameters=plain | joined)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _joined(pieces: dict[int, tuple[bool, str]]) -> str:
    """Put an RFC 2231 value together; the first encoded piece names the charset."""
    charset = ""
    data = b""
    for index, number in enumerate(sorted(pieces)):
        is_encoded, text = pieces[number]
        if is_encoded and not index and text.count("'") > 1:
            charset, _, text = text.split("'", 2)
        raw = text.encode("utf-8", "replace")
        data += unquote_to_bytes(raw) if is_encoded else raw
    return one_line(charsets.decode(data, charset))
