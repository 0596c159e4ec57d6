"""Everybody a draft names: read from what was typed, each mailbox counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.conf import settings

from mailweb.lib import addresses
from mailweb.lib.addresses import Address, InvalidAddressError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailweb.webmail.models import Draft

FIELDS: Final = ("to", "cc", "bcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One recipient as typed, and what it was read as."""

    typed: str
    field: str
    address: Address | None = None
    error: str = ""
    is_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Everybody a draft names, in order. Who is named twice gets one copy, at the first place."""

    entries: tuple[Entry, ...]

    @property
    def copies(self) -> tuple[Address, ...]:
        """The addresses that get a copy."""
        return tuple(entry.address for entry in self._counted() if entry.address)

    @property
    def errors(self) -> dict[str, list[str]]:
        """What can't be read, by field; and where there are too many."""
        errors: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry.error:
                errors.setdefault(entry.field, []).append(entry.error)
        number = len(self.copies)
        if number > settings.MAX_RECIPIENTS:
            errors.setdefault(FIELDS[0], []).append(too_many(number))
        return errors

    def of(self, name: str) -> tuple[Address, ...]:
        """The addresses that are counted in one field."""
        return tuple(
            entry.address for entry in self._counted() if entry.address and entry.field == name
        )

    def _counted(self) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.address and not entry.is_repeated)


def too_many(number: int) -> str:
    """Return the sentence for more recipients than one message may have."""
    limit = settings.MAX_RECIPIENTS
    return f"{number:,} recipients are too many: one message can have {limit:,}. Remove {number - limit:,}."


def recipients_of(draft: Draft) -> Recipients:
    """Read the recipients of a draft, To first, then Cc, then Bcc."""
    seen: set[str] = set()
    entries = []
    for name in FIELDS:
        for typed in getattr(draft, name):
            entry = _read(str(typed), name, seen)
            entries.append(entry)
            if entry.address:
                seen.add(entry.address.key)
    return Recipients(entries=tuple(entries))


def _read(typed: str, name: str, seen: set[str]) -> Entry:
    try:
        address = addresses.parse(typed)
    except InvalidAddressError as refusal:
        return Entry(typed=typed, field=name, error=refusal.sentence)
    return Entry(typed=typed, field=name, address=address, is_repeated=address.key in seen)
