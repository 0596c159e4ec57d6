"""Choices for model fields from the plain enums of the pure packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enum import StrEnum


def choices_of(kind: type[StrEnum]) -> list[tuple[str, str]]:
    """Return (stored value, label) for every member of `kind`, in order."""
    return [(member.value, member.value.replace("_", " ") or "none") for member in kind]
