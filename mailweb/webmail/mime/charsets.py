"""Bytes to text, whatever the sender claims. Never raises."""

from __future__ import annotations

import codecs
import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}\Z")

# Text encodings of the real world. Python knows more codecs, some of them slow on purpose-made
# input (punycode) or not about charsets at all (unicode_escape).
_FAMILIES = (
    "ascii",
    "big5",
    "cp",
    "euc",
    "gb",
    "hz",
    "iso2022",
    "iso8859",
    "johab",
    "koi8",
    "kz1048",
    "mac",
    "ptcp154",
    "shift",
    "tis",
    "utf",
)

# Senders that name the left one write the right one.
_WIDER = {"ascii": "utf-8", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}


def decode(data: bytes, charset: str = "") -> str:
    """Return `data` as text: in `charset` if that is a known one, else by what the bytes look like."""
    name = _codec(charset)
    if not name or name == "utf-8":
        return _guess(data)
    return data.decode(name, "replace")


def _codec(charset: str) -> str:
    """Return Python's name for `charset`, or "" if it is none that mail uses."""
    if not _NAME.match(charset):
        return ""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return ""
    return _WIDER.get(name, name) if name.startswith(_FAMILIES) else ""


def _guess(data: bytes) -> str:
    """Return the text of bytes that are UTF-8, or else most likely Windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
