"""The TXT record that publishes a key (RFC 6376 §3.6.1, RFC 8463 §4)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Self

from delivery.dkim.keys import Algorithm

MOST_OCTETS: Final = 255
LONGEST_RECORD: Final = 8192


class BadRecordError(Exception):
    """This is not a record that publishes a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What a record says. An empty `public` means that the key is revoked."""

    algorithm: str
    public: bytes
    is_for_mail: bool = True
    takes_sha256: bool = True
    is_testing: bool = False

    @classmethod
    def of(cls, algorithm: Algorithm, public: bytes) -> Self:
        """Return the record to publish."""
        return cls(algorithm=algorithm.value, public=public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a record whose strings have been joined.

        Raises:
            BadRecordError: it is none of version 1, or has no readable key.
        """
        tags = _tags(text[:LONGEST_RECORD])
        # §3.6.1: v= is recommended; if it is there it must come first.
        if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
            raise BadRecordError("it is of an unknown version")
        if "p" not in tags:
            raise BadRecordError("it has no p=")
        try:
            public = base64.b64decode("".join(tags["p"].split()), validate=True)
        except (binascii.Error, ValueError):
            raise BadRecordError("its p= is not base64") from None
        services, flags = _list(tags.get("s", "*")), _list(tags.get("t", ""))
        return cls(
            algorithm=tags.get("k", "rsa"),
            public=public,
            is_for_mail=not services.isdisjoint({"*", "email"}),
            takes_sha256="h" not in tags or "sha256" in _list(tags["h"]),
            is_testing="y" in flags,
        )

    def __str__(self) -> str:
        """Return the record's text, in one piece."""
        return f"v=DKIM1; k={self.algorithm}; p={base64.b64encode(self.public).decode('ascii')}"


def record_name(selector: str, domain: str) -> str:
    """Return where the record of a selector is published."""
    return f"{selector}._domainkey.{domain}"


def character_strings(text: str) -> list[str]:
    """Cut a record's text into the strings of at most 255 octets that TXT is made of."""
    return [text[start : start + MOST_OCTETS] for start in range(0, len(text), MOST_OCTETS)] or [""]


def _tags(text: str) -> dict[str, str]:
    """Read a list of tag=value (§3.2); a tag twice spoils it."""
    tags: dict[str, str] = {}
    for part in text.rstrip().removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or name in tags:
            raise BadRecordError("it is not a list of tags")
        tags[name] = value.strip()
    return tags


def _list(text: str) -> set[str]:
    return {each.strip() for each in text.split(":")}
