"""What is put into a queue before the clock starts."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 5120


@dataclass(frozen=True)
class Load:
    """Messages of `size` bytes: how many of each kind, and to whom each of them goes."""

    messages: list[tuple[int, list[str]]]
    size: int = SIZE

    @property
    def copies(self) -> int:
        """How many copies that is."""
        return sum(number * len(addresses) for number, addresses in self.messages)

    @property
    def number(self) -> int:
        """How many messages that is."""
        return sum(number for number, _ in self.messages)


def one_each(number: int, domains: list[str]) -> Load:
    """Return `number` messages with one recipient, spread over `domains`."""
    share, rest = divmod(number, len(domains))
    return Load([(share + (at < rest), [f"friend@{domain}"]) for at, domain in enumerate(domains)])


def to_many(recipients: int, domains: list[str]) -> Load:
    """Return one message to `recipients`, spread over `domains`."""
    return Load([(1, [f"r{at}@{domains[at % len(domains)]}" for at in range(recipients)])])
