"""Addresses of received headers, for showing and answering. Never raises.

Rule: an address comes out only if it stood there whole; anything doubtful is shown as a name
without an address. (Addresses that people type are the business of mailweb.lib.addresses.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailweb.webmail.mime.headers import decode_words

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ADDRESSES = 1000
MAX_LENGTH = 320

_DOMAIN = r'[^\s<>(),;:\\"@\x00-\x1f\x7f]{1,255}'
_ADDRESS = re.compile(
    r'(?:[^\s<>()\[\],;:\\"@\x00-\x1f\x7f]{1,64}|"[^"\\\x00-\x1f\x7f]{1,62}")@' + _DOMAIN
)
_TOKEN = re.compile(
    r"""
    (?P<quoted>  "(?:[^"\\]|\\.)*"          )
  | (?P<comment> \((?:[^()\\]|\\.)*\)       )
  | (?P<angle>   <[^<>]*>                   )
  | (?P<text>    [^"(<,;:]+                 )
  | (?P<mark>    .                          )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAddress:
    """One sender or recipient. `address` is empty when none could be read without doubt."""

    name: str = ""
    address: str = ""

    def as_pair(self) -> list[str]:
        """Return the form that is stored with a message."""
        return [self.name, self.address]


@dataclass(slots=True)
class _Entry:
    """What was met between two commas."""

    raw: str = ""
    words: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angles: list[str] = field(default_factory=list)
    is_doubtful: bool = False

    def add(self, kind: str, token: str) -> None:
        """Take the next token of this entry."""
        self.raw += token
        if kind == "comment":
            self.comments.append(token[1:-1])
        elif kind == "angle":
            self.angles.append(token[1:-1])
        elif token.strip():
            self.is_doubtful |= bool(self.angles)
            self.words.append(token)

    def result(self) -> MailAddress | None:
        """Return who this is, or None for nothing."""
        if self.is_doubtful or len(self.angles) > 1:
            return _named(decode_words(self.raw), "")
        if self.angles:
            address = _address(self.angles[0])
            name = self._name() or ("" if address else self.angles[0])
            return _named(decode_words(name), address)
        address = _address("".join(self.words))
        return _named(decode_words(" ".join(self.comments) if address else self.raw), address)

    def _name(self) -> str:
        return " ".join(_unquoted(word) for word in self.words) or " ".join(self.comments)


def parse(value: str) -> tuple[MailAddress, ...]:
    """Return the addresses of a header field's value, groups opened."""
    found = (entry.result() for entry in _entries(value))
    return tuple(address for address in found if address)[:MAX_ADDRESSES]


def _entries(value: str) -> Iterator[_Entry]:
    entry = _Entry()
    for token in _TOKEN.finditer(value):
        kind, text = token.lastgroup or "mark", token[0]
        if kind == "mark" and text in ",;":
            yield entry
            entry = _Entry()
        elif kind == "mark" and text == ":" and "@" not in entry.raw:
            entry = _Entry()  # That was the name of a group.
        else:
            entry.add(kind, text)
    yield entry


def _named(name: str, address: str) -> MailAddress | None:
    if not (name or address):
        return None
    return MailAddress(name=name[:MAX_LENGTH], address=address)


def _unquoted(word: str) -> str:
    word = word.strip()
    if len(word) > 1 and word[0] == word[-1] == '"':
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    return word


def _address(text: str) -> str:
    """Return the text if it is one address and nothing else, or ""."""
    text = text.strip()
    return text if len(text) <= MAX_LENGTH and _ADDRESS.fullmatch(text) else ""
