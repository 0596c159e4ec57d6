"""Keeps what is secret or private out of the log, by the name of a field and by how text looks.

A second line of defence: code does not log such things. But the words of a library or of a
database in an exception are not ours.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|token|secret|credential|authori[sz]ation|cookie|csrf|private_?key"
    r"|session_?key|sessionid|api_?key|initial_response",
    re.IGNORECASE,
)
_PRIVATE_NAMES = frozenset({"subject", "body", "content", "html", "form", "params", "sql"})

_IN_TEXT = tuple(
    (re.compile(pattern, re.IGNORECASE), f"\\g<1>{HIDDEN}")
    for pattern in (
        r"((?:passw(?:or)?d|passphrase|token|secret|sessionid|csrf\w*|api[_-]?key)\w*"
        r"['\"]?\s*[:=]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;&)}\]]+)",
        r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{6,}",
        r"(\bAUTH\s+[A-Z0-9-]+\s+)[A-Za-z0-9+/=]+",
        r"(\b(?:Set-)?Cookie:\s*)[^\r\n]+",
        r"(\bSubject:\s*)[^\r\n]+",
        r"(://[^\s:/@]*:)[^\s@/]+(?=@)",
        r"(Failing row contains \()[^\n]*",
        r"(\bKey \([^)\n]*\)=\()[^\n]*",
    )
)

_MAY_HIDE = re.compile(
    r"passw|passphr|token|secret|session|csrf|api|bearer|basic|auth|cookie|subject|://|row|key",
    re.IGNORECASE,
)


def redacted_text(text: str) -> str:
    """Return `text` with stars for what looks like a credential, a subject or a row's values."""
    if not _MAY_HIDE.search(text):
        return text
    for pattern, instead in _IN_TEXT:
        text = pattern.sub(instead, text)
    return text


def redacted(name: str, value: Any) -> Any:
    """Return what may be logged of a field."""
    if _is_hidden(name):
        return HIDDEN
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, dict):
        return {key: redacted(str(key), one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted("", one) for one in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"({len(value)} octets)"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redacted_text(str(value))


@lru_cache(maxsize=1000)
def _is_hidden(name: str) -> bool:
    return name in _PRIVATE_NAMES or _SECRET_NAME.search(name) is not None
