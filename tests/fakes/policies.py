"""A policy store in memory."""

from __future__ import annotations

import asyncio

from delivery.agent.policy_fetch import StoredPolicy


class MemoryPolicies:
    """Keeps policies in `kept`; `changed` is set whenever one is put there."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.kept: dict[str, StoredPolicy] = {}

    async def get(self, domain: str) -> StoredPolicy | None:
        return self.kept.get(domain)

    async def put(self, policy: StoredPolicy) -> None:
        self.kept[policy.domain] = policy
        self.changed.set()

    async def drop(self, domain: str) -> None:
        self.kept.pop(domain, None)
