"""Signing for one domain, with every key it has.

1. The header is cut into fields, the body is hashed once, whatever number of keys there is.
2. For each key a signature field is written with an empty `b=`.
3. The canonical forms of the signed fields and of that field are signed, and `b=` is filled in.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from delivery.dkim import canonical
from delivery.dkim.canonical import Form
from delivery.dkim.keys import SigningKey
from delivery.dkim.selection import names_to_sign, signed_fields

LINE: Final = 76
_FOLD: Final = "\r\n "


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One key and the selector under which its public half is published."""

    selector: str
    key: SigningKey


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what comes from `domain` (A-labels, RFC 8616 §3), once with each of `identities`.

    `expires_after` adds `x=`; without it signatures do not expire, which RFC 6376 §3.5 prefers
    for mail that may wait in queues.
    """

    domain: str
    identities: Sequence[Identity]
    header_form: Form = Form.RELAXED
    body_form: Form = Form.RELAXED
    expires_after: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse what would end up in the field as something else."""
        for name in (self.domain, *(each.selector for each in self.identities)):
            if not name.isascii() or any(each in name for each in " ;=:\t\r\n") or not name:
                raise ValueError("a domain or selector must be A-labels")

    def signatures(self, message: bytes, *, at: datetime) -> bytes:
        """Return the signature fields to put in front of `message`, each with its CRLF."""
        fields, body = canonical.split(message)
        names = names_to_sign(fields)
        signed = b"".join(
            canonical.header_field(each.raw, self.header_form) + b"\r\n"
            for each in signed_fields(fields, names)
        )
        hashed = _base64(hashlib.sha256(canonical.body(body, self.body_form)).digest())
        covered = ":".join(name.decode("ascii") for name in names)
        return b"".join(self._field(each, signed, covered, hashed, at) for each in self.identities)

    def _field(
        self, identity: Identity, signed: bytes, covered: str, hashed: str, at: datetime
    ) -> bytes:
        unsigned = self._unsigned_field(identity, covered, hashed, at)
        data = signed + canonical.header_field(unsigned, self.header_form)
        value = _base64(identity.key.sign(data))
        return unsigned + _folded_value(value).encode("ascii") + b"\r\n"

    def _unsigned_field(self, identity: Identity, covered: str, hashed: str, at: datetime) -> bytes:
        """Return the field without its last CRLF, up to and with `b=`."""
        tags = [
            "v=1",
            f"a={identity.key.algorithm.tag}",
            f"c={self.header_form}/{self.body_form}",
            f"d={self.domain}",
            f"s={identity.selector}",
            f"t={int(at.timestamp())}",
        ]
        if self.expires_after is not None:
            tags.append(f"x={int((at + self.expires_after).timestamp())}")
        tags += [f"h={covered}", f"bh={hashed}"]
        return f"{_folded(tags)}{_FOLD}b=".encode("ascii")


def _folded(tags: Sequence[str]) -> str:
    """Write the tags into lines; `h=` may be cut between its names (§3.5), nothing else is."""
    lines = ["DKIM-Signature:"]
    for tag in tags:
        space = " "
        for piece in _pieces(f"{tag};"):
            if len(lines[-1]) + len(space) + len(piece) > LINE:
                lines.append(f" {piece}")
            else:
                lines[-1] += space + piece
            space = ""
    return "\r\n".join(lines)


def _pieces(tag: str) -> list[str]:
    """Return what of a tag must stay together."""
    names = tag.split(":") if tag.startswith("h=") else [tag]
    return [f"{name}:" for name in names[:-1]] + names[-1:]


def _folded_value(value: str) -> str:
    """Cut the signature into lines; the first begins right behind ` b=`."""
    first = LINE - 3
    rest = (value[start : start + LINE - 1] for start in range(first, len(value), LINE - 1))
    return _FOLD.join((value[:first], *rest))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
