"""Whom an account knows already: those it has written to from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailweb.webmail.models import Correspondent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accounts.models import User


def known_among(user: User, specs: Iterable[str]) -> set[str]:
    """Return those of the addresses that are in the account's address book."""
    found = Correspondent.objects.filter(user=user, address__in=list(specs))
    return set(found.values_list("address", flat=True))
