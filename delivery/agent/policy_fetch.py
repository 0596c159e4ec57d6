"""MTA-STS policies: found by DNS, fetched by HTTPS, kept until they expire (RFC 8461 §3).

Rule: a policy that is held stays in force whatever DNS and HTTPS do, until it expires or a newer
one replaces it; a policy that was never had is not missed.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from delivery.agent.answers import Chain, Resolver, follow
from delivery.agent.clock import Clock
from delivery.agent.policy_host import FetchError, PolicyHost
from delivery.policy.facts import StsFacts, StsMode
from delivery.policy.mtasts import Policy, PolicySyntaxError, parse_policy, parse_record
from delivery.policy.reasons import Reason

PAUSE_AFTER_FAILURE = timedelta(minutes=5)
logger = logging.getLogger(__name__)

HELD_MODES = (StsMode.NONE, StsMode.TESTING, StsMode.ENFORCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """The policy held for a domain, or (mode `error`) the pause after a fetch that failed.

    `text` is the policy as it was fetched, for reports. No fetch is tried before `retry_at`;
    `reason` and `detail` say how the last one failed.
    """

    domain: str
    mode: StsMode
    fetched_at: datetime
    expires_at: datetime
    policy_id: str = ""
    mx: tuple[str, ...] = ()
    text: str = ""
    retry_at: datetime | None = None
    reason: Reason = Reason.NONE
    detail: str = ""


class PolicyStore(Protocol):
    """Where policies are kept."""

    async def get(self, domain: str) -> StoredPolicy | None:
        """Return what is kept for `domain`, expired or not."""

    async def put(self, policy: StoredPolicy) -> None:
        """Keep `policy` instead of what was kept for its domain."""

    async def drop(self, domain: str) -> None:
        """Forget what was kept for `domain`."""


class PolicyFinder:
    """Says which policy holds for a domain now; fetches each at most once at a time."""

    def __init__(
        self, *, resolver: Resolver, host: PolicyHost, store: PolicyStore, clock: Clock
    ) -> None:
        self._resolver = resolver
        self._host = host
        self._store = store
        self._clock = clock
        self._looking: dict[str, asyncio.Task[StsFacts]] = {}

    async def find(self, domain: str) -> StsFacts:
        """Return the policy of the recipient domain as written, never of what it is an alias of."""
        looking = self._looking.get(domain)
        if looking is None:
            looking = asyncio.create_task(self._find(domain))
            self._looking[domain] = looking
            looking.add_done_callback(lambda _: self._looking.pop(domain, None))
        return await asyncio.shield(looking)

    async def close(self) -> None:
        """Give up the look-ups still on their way."""
        looking = list(self._looking.values())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    async def _find(self, domain: str) -> StsFacts:
        stored = await self._store.get(domain)
        record = await follow(self._resolver, f"_mta-sts.{domain}", "TXT")
        now = self._clock.now()
        held = stored if stored and stored.mode in HELD_MODES and stored.expires_at > now else None
        try:
            policy_id = _announced(record)
        except FetchError as error:
            return _facts(held) if held else _unknown(error.reason, str(error))
        if policy_id is None:
            return await self._without_record(domain, stored, held)
        if held and held.policy_id == policy_id and not _is_ageing(held, now):
            return _facts(held)
        if stored and stored.retry_at and stored.retry_at > now:
            return _facts(held) if held else _unknown(stored.reason, stored.detail)
        return await self._fetch(domain, policy_id, held)

    async def _without_record(
        self, domain: str, stored: StoredPolicy | None, held: StoredPolicy | None
    ) -> StsFacts:
        """RFC 8461 §8.3: a record that vanished ends only what was `none`, or has expired."""
        if held and held.mode is not StsMode.NONE:
            return _facts(held)
        if stored:
            await self._store.drop(domain)
        return StsFacts(mode=StsMode.ABSENT)

    async def _fetch(self, domain: str, policy_id: str, held: StoredPolicy | None) -> StsFacts:
        try:
            text = await self._host.fetch(domain)
            policy = _parsed(text)
        except FetchError as error:
            return await self._pause(domain, held, error)
        now = self._clock.now()
        fetched = StoredPolicy(
            domain=domain,
            mode=policy.mode,
            fetched_at=now,
            expires_at=now + policy.max_age,
            policy_id=policy_id,
            mx=policy.mx,
            text=text,
        )
        await self._store.put(fetched)
        return _facts(fetched)

    async def _pause(self, domain: str, held: StoredPolicy | None, error: FetchError) -> StsFacts:
        """Note the failure, so that the policy host is left alone for a while (RFC 8461 §3.3)."""
        logger.info("policy not fetched", extra={"domain": domain, "reason": error.reason.value})
        now = self._clock.now()
        retry_at = now + PAUSE_AFTER_FAILURE
        kept = held or StoredPolicy(
            domain=domain, mode=StsMode.ERROR, fetched_at=now, expires_at=retry_at
        )
        await self._store.put(
            replace(kept, retry_at=retry_at, reason=error.reason, detail=str(error))
        )
        return _facts(held) if held else _unknown(error.reason, str(error))


def _announced(record: Chain) -> str | None:
    """Return the id that DNS announces, or None if the domain announces no policy."""
    if record.failure is not None:
        raise FetchError(Reason.STS_POLICY_FETCH_ERROR, record.detail)
    try:
        return parse_record(record.records)
    except PolicySyntaxError as error:
        raise FetchError(Reason.STS_POLICY_INVALID, str(error)) from error


def _parsed(text: str) -> Policy:
    try:
        return parse_policy(text)
    except PolicySyntaxError as error:
        raise FetchError(Reason.STS_POLICY_INVALID, str(error)) from error


def _is_ageing(held: StoredPolicy, now: datetime) -> bool:
    """Whether most of the policy's life is over, so that it should be fetched anew."""
    return (held.expires_at - now) * 4 < held.expires_at - held.fetched_at


def _facts(held: StoredPolicy) -> StsFacts:
    return StsFacts(
        mode=held.mode,
        policy_id=held.policy_id,
        mx=held.mx,
        reason=held.reason,
        detail=held.detail,
        expires_at=held.expires_at,
    )


def _unknown(reason: Reason, detail: str) -> StsFacts:
    return StsFacts(mode=StsMode.ERROR, reason=reason, detail=detail)
