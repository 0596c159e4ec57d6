"""A message cut into header fields and body, and the two canonical forms of each (RFC 6376 §3.4).

Line ends are CRLF; a CR or LF that stands alone is an octet like any other. Bodies are searched
by the methods of `bytes`, never octet by octet: one of 25 MB takes a fraction of a second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_CRLF = b"\r\n"
_SPACE = re.compile(rb"[ \t]+")
_BETWEEN_FIELDS = re.compile(rb"\r\n(?![ \t])")


class Form(StrEnum):
    """How much a message may change on its way before the signature breaks."""

    SIMPLE = "simple"
    """Not at all, but for empty lines at the end of the body."""

    RELAXED = "relaxed"
    """White space and the case of field names do not count."""


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its name in lower case, and its octets without the last CRLF."""

    name: bytes
    raw: bytes


def split(message: bytes) -> tuple[list[Field], bytes]:
    """Return the header fields, top down, and the body. Lines that are no field are left out."""
    if message.startswith(_CRLF):
        return [], message[2:]
    header, _, octets = message.partition(b"\r\n\r\n")
    return fields_of(header), octets


def fields_of(header: bytes) -> list[Field]:
    """Return the fields of a header, top down."""
    fields = []
    for raw in _BETWEEN_FIELDS.split(header):
        name, colon, _ = raw.partition(b":")
        name = name.rstrip(b" \t").lower()
        if colon and name and not _SPACE.search(name):
            fields.append(Field(name, raw))
    return fields


def header_field(raw: bytes, form: Form) -> bytes:
    """Return a field (without its last CRLF) in canonical form, without a CRLF (§3.4.1, §3.4.2)."""
    if form is Form.SIMPLE:
        return raw
    name, _, value = raw.partition(b":")
    value = _SPACE.sub(b" ", value.replace(_CRLF, b"")).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + value


def body(octets: bytes, form: Form) -> bytes:
    """Return a body in canonical form (§3.4.3, §3.4.4)."""
    if form is Form.SIMPLE:
        return _without_empty_end(octets) + _CRLF
    octets = octets.replace(b"\t", b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    octets = _without_empty_end(octets.replace(b" \r\n", _CRLF).removesuffix(b" "))
    return octets + _CRLF if octets else b""


def _without_empty_end(octets: bytes) -> bytes:
    """Take every CRLF off the end."""
    end = octets.rstrip(_CRLF)  # more than wanted where a CR or LF stands alone
    tail = octets[len(end) :]
    if tail == _CRLF * (len(tail) // 2):
        return end
    keep = len(octets)
    while octets.endswith(_CRLF, 0, keep):
        keep -= 2
    return octets[:keep]
