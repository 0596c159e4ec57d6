"""RFC 8461: the record that announces a policy, the policy itself, and which hosts it names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import idna

from delivery.policy.facts import StsMode

LARGEST_POLICY = 64 * 1024
LONGEST_MAX_AGE = 31_557_600
SHORT_MAX_AGE = timedelta(days=1)
"""A policy that lasts no longer protects little: whoever holds it up for a day is rid of it."""

_MODES = {mode.value: mode for mode in (StsMode.NONE, StsMode.TESTING, StsMode.ENFORCE)}
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_VALUE = re.compile(r"[\x21-\x3a\x3c\x3e-\x7e]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class PolicySyntaxError(ValueError):
    """The record or policy does not follow RFC 8461."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy as its domain publishes it; names in `mx` are A-labels in lower case."""

    mode: StsMode
    mx: tuple[str, ...]
    max_age: timedelta


def parse_record(texts: Iterable[str]) -> str | None:
    """Return the policy id that the TXT records at `_mta-sts` announce, or None if they don't.

    RFC 8461 §3.1: records that do not begin with the version are none of ours; what is left must
    be exactly one, in the grammar of that section.

    Raises:
        PolicySyntaxError: there are several MTA-STS records, or one without a usable id.
    """
    records = [text for text in texts if re.match(r"v=STSv1[ \t]*(;|$)", text)]
    if not records:
        return None
    if len(records) > 1:
        raise PolicySyntaxError("several MTA-STS records")
    fields = _fields(records[0])
    if not _ID.fullmatch(fields.get("id", "")):
        raise PolicySyntaxError("MTA-STS record without a valid id")
    return fields["id"]


def _fields(record: str) -> dict[str, str]:
    """Return the fields of a record; the first of each name counts."""
    fields: dict[str, str] = {}
    for part in filter(None, (part.strip(" \t") for part in record.split(";"))):
        name, equals, value = part.partition("=")
        if not equals or not _FIELD.fullmatch(name) or not _VALUE.fullmatch(value):
            raise PolicySyntaxError(f"MTA-STS record with {part[:60]!r}")
        fields.setdefault(name, value)
    return fields


def parse_policy(text: str) -> Policy:
    """Read a policy file.

    Fields that are not known are skipped, and the first of each counts, save `mx` (RFC 8461 §3.2).

    Raises:
        PolicySyntaxError: a field that is needed is missing or wrong.
    """
    fields, hosts = _policy_fields(text)
    if fields.get("version") != "STSv1":
        raise PolicySyntaxError("the policy's version is not STSv1")
    mode = _MODES.get(fields.get("mode", ""))
    if mode is None:
        raise PolicySyntaxError(f"unknown mode {fields.get('mode', '')!r}")
    max_age = fields.get("max_age", "")
    if not re.fullmatch(r"[0-9]{1,10}", max_age):
        raise PolicySyntaxError("max_age is missing or not a number")
    if not hosts and mode is not StsMode.NONE:
        raise PolicySyntaxError("the policy names no mx")
    return Policy(
        mode=mode, mx=hosts, max_age=timedelta(seconds=min(int(max_age), LONGEST_MAX_AGE))
    )


def _policy_fields(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for line in filter(None, (line.strip(" \t\r") for line in text.split("\n"))):
        name, colon, value = line.partition(":")
        if not colon or not _FIELD.fullmatch(name.strip()):
            raise PolicySyntaxError(f"policy with the line {line[:60]!r}")
        if name.strip() == "mx":
            hosts.append(_pattern(value.strip()))
        else:
            fields.setdefault(name.strip(), value.strip())
    return fields, tuple(hosts)


def _pattern(text: str) -> str:
    """Return an `mx` pattern as A-labels in lower case."""
    star = "*." if text.startswith("*.") else ""
    name = _a_labels(text.removeprefix("*."))
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise PolicySyntaxError(f"policy with the mx {text[:60]!r}")
    return star + name


def _a_labels(name: str) -> str:
    name = name.rstrip(".").lower()
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise PolicySyntaxError(f"policy with the mx {name[:60]!r}") from error


def matches_any(host: str, patterns: Iterable[str]) -> bool:
    """Return whether `host` is named by one of the policy's `mx` patterns (RFC 8461 §4.1).

    Both are A-labels; case does not matter; `*.` stands for exactly one label.
    """
    name = host.rstrip(".").lower()
    _, _, parent = name.partition(".")
    return any(
        pattern == name or (pattern.startswith("*.") and parent != "" and pattern[2:] == parent)
        for pattern in (given.rstrip(".").lower() for given in patterns)
    )
