"""RFC 8689 §3: the header field by which a sender says that delivery matters more than TLS.

`TLS-Required: No` is the one value there is. A message may carry the field more than once, or with
something else in it: then nobody can tell what its sender wanted, and the field counts for nothing.
"""

from __future__ import annotations

import re

FIELD = b"TLS-Required: No\r\n"

_FIELDS = re.compile(rb"^tls-required:((?:[^\r\n]|\r\n[ \t])*)\r\n", re.IGNORECASE | re.MULTILINE)


def says_no(message: bytes) -> bool:
    """Return whether `message` (with CRLF) has such a field, and each it has says "no".

    Case and folding do not matter.
    """
    values = _FIELDS.findall(_header(message))
    return bool(values) and all(value.strip().lower() == b"no" for value in values)


def saying_no(message: bytes) -> bytes:
    """Return `message` with a header that says so; fields that say anything else are left out."""
    if says_no(message):
        return message
    header = _header(message)
    return FIELD + _FIELDS.sub(b"", header) + message[len(header) :]


def _header(message: bytes) -> bytes:
    """Return the header fields, without the empty line that ends them."""
    if message.startswith(b"\r\n"):
        return b""
    end = message.find(b"\r\n\r\n")
    return message if end < 0 else message[: end + 2]
