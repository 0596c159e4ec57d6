"""Whose domain a message speaks for: that of its From field, as DMARC compares it (RFC 7489 §3.1)."""

from __future__ import annotations

from email.utils import getaddresses
from typing import Final

from delivery.dkim.canonical import fields_of
from mailweb.lib.addresses import domain_to_ascii
from mailweb.lib.errors import UserError

LONGEST_FROM: Final = 16_384


def from_domain(message: bytes) -> str:
    """Return the domain of the first address in From, as A-labels; "" if there is none to be read."""
    end = message.find(b"\r\n\r\n")
    for field in fields_of(message if end < 0 else message[:end]):
        if field.name == b"from":
            return _domain_in(field.raw.partition(b":")[2])
    return ""


def _domain_in(value: bytes) -> str:
    text = value[:LONGEST_FROM].decode("utf-8", "replace").replace("\r\n", "")
    for _, address in getaddresses([text]):
        try:
            return domain_to_ascii(address.rpartition("@")[2])
        except UserError:
            continue
    return ""
