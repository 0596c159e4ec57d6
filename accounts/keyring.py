"""The keys that sign mail, for the delivery worker (DKIM_KEYRING)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from accounts import dkim
from accounts.models import DkimKey
from accounts.posture.dkim import IN_DNS, KeyState
from delivery.dkim import Identity, Signer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class DomainKeys:
    """The active keys of this installation's domains."""

    def has_any(self) -> bool:
        """Return whether any domain has a key to sign with."""
        return DkimKey.objects.filter(domain__is_active=True, state=KeyState.ACTIVE).exists()

    def signers_for(self, domains: set[str]) -> Mapping[str, Signer]:
        """Return who signs for each of `domains`, with every active key that can be opened."""
        rows = DkimKey.objects.filter(
            domain__name__in=domains, domain__is_active=True, state=KeyState.ACTIVE
        ).order_by("-algorithm")  # RSA first, which everybody can check
        found: dict[str, list[Identity]] = defaultdict(list)
        for name, selector, sealed in rows.values_list("domain__name", "selector", "sealed_key"):
            key = dkim.opened(bytes(sealed))
            if key is not None:
                found[name].append(Identity(selector=selector, key=key))
        return {name: Signer(name, tuple(identities)) for name, identities in found.items()}

    def records(self) -> Iterable[tuple[str, str]]:
        """Return the name and text of every record that is published, or should be."""
        keys = DkimKey.objects.filter(state__in=IN_DNS).select_related("domain")
        return [(key.record.name, key.record.value) for key in keys]
