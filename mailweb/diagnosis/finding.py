"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Mail moves, but something promised is missing."""

    FAIL = "fail"
    """Something does not work at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found, and what to do about it; nothing to do means an empty `remedy`."""

    name: str
    grade: Grade
    sentence: str
    remedy: str = ""


def ok(name: str, sentence: str) -> Finding:
    """Return a finding without complaint."""
    return Finding(name=name, grade=Grade.OK, sentence=sentence)


def warn(name: str, sentence: str, remedy: str) -> Finding:
    """Return a finding about something missing."""
    return Finding(name=name, grade=Grade.WARN, sentence=sentence, remedy=remedy)


def fail(name: str, sentence: str, remedy: str) -> Finding:
    """Return a finding about something broken."""
    return Finding(name=name, grade=Grade.FAIL, sentence=sentence, remedy=remedy)
