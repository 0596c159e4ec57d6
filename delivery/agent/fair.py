"""Whose turn is next: accounts take turns, and within an account its domains do.

Rule: nobody stands behind more than one copy of each other account. Ten thousand copies of one
account to one host delay a single copy of another by one of them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Party(NamedTuple):
    """For whom something waits: an account (None: the installation itself) and a domain."""

    account: Hashable
    domain: str


class FairQueue(Generic[T]):
    """A queue of what waits for different parties; first come, first served only within one."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[Hashable, OrderedDict[str, deque[T]]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, party: Party, item: T) -> None:
        """Put `item` behind what already waits for the same party."""
        domains = self._accounts.setdefault(party.account, OrderedDict())
        domains.setdefault(party.domain, deque()).append(item)
        self._size += 1

    def next(self) -> T:
        """Take out the item whose turn it is; its account and its domain go to the end.

        Raises:
            KeyError: nothing waits.
        """
        account, domains = self._accounts.popitem(last=False)
        domain, items = domains.popitem(last=False)
        item = items.popleft()
        self._size -= 1
        if items:
            domains[domain] = items
        if domains:
            self._accounts[account] = domains
        return item

    def remove(self, party: Party, item: T) -> None:
        """Take out an item that waits no longer; one that is not here is ignored."""
        domains = self._accounts.get(party.account, OrderedDict())
        items = domains.get(party.domain, deque())
        if item not in items:
            return
        items.remove(item)
        self._size -= 1
        if not items:
            del domains[party.domain]
        if not domains:
            del self._accounts[party.account]
