"""Where mail leaves from, as transports say."""

from __future__ import annotations

from dataclasses import dataclass

from delivery.models import Transport
from delivery.policy.transport import Kind


@dataclass(frozen=True, slots=True)
class Exits:
    """The addresses that mail leaves from by transports, with the sentence part that says whose.

    `unnamed` are proxies that nobody named an address for.
    """

    addresses: dict[str, str]
    unnamed: tuple[str, ...]


def exits() -> Exits:
    """Return where mail is seen to come from by transports that are switched on."""
    addresses: dict[str, str] = {}
    unnamed: list[str] = []
    for row in Transport.objects.filter(is_enabled=True):
        own = row.sources if row.kind == Kind.DIRECT else []
        for address in (*own, *row.exits):
            addresses.setdefault(address, f"transport “{row.name}”")
        if row.kind == Kind.SOCKS and not row.exits:
            unnamed.append(row.name)
    return Exits(addresses, tuple(unnamed))
