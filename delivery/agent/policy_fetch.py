"""MTA-STS policies: found by DNS, fetched by HTTPS, kept until they expire (RFC 8461 §3).

Rule: a policy that is held stays in force whatever DNS and HTTPS do, until it expires or a newer
one replaces it; a policy that was never had is not missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from delivery.agent.answers import Chain, Resolver, follow
from delivery.agent.clock import Clock
from delivery.agent.observer import NOBODY, Observer
from delivery.agent.policy_host import FetchError, PolicyHost
from delivery.policy.facts import StsFacts, StsMode
from delivery.policy.mtasts import (
    SHORT_MAX_AGE,
    Policy,
    PolicySyntaxError,
    parse_policy,
    parse_record,
)
from delivery.policy.reasons import Reason

PAUSE_AFTER_FAILURE = timedelta(minutes=5)
CHECK_AGAIN_AFTER = timedelta(minutes=5)
MOST_CHECKED = 5000
PATIENCE_SECONDS = 10.0
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
    """Says which policy holds for a domain now; fetches each at most once at a time.

    Where a policy is held, its host is waited for no longer than `patience` seconds: the policy
    held is good enough, and the fetch goes on beside. Nobody waits for one that is merely old.
    """

    def __init__(
        self,
        *,
        resolver: Resolver,
        host: PolicyHost,
        store: PolicyStore,
        clock: Clock,
        patience: float = PATIENCE_SECONDS,
        observer: Observer = NOBODY,
    ) -> None:
        self._observer = observer
        self._resolver = resolver
        self._host = host
        self._store = store
        self._clock = clock
        self._patience = patience
        self._looking: dict[str, asyncio.Task[StsFacts]] = {}
        self._fetching: dict[str, asyncio.Task[StsFacts]] = {}
        self._checked: dict[str, datetime] = {}

    async def find(self, domain: str) -> StsFacts:
        """Return the policy of the recipient domain as written, never of what it is an alias of."""
        looking = self._looking.get(domain)
        if looking is None:
            looking = _kept_in(self._looking, domain, self._find(domain))
        return await asyncio.shield(looking)

    async def check_again(self, domain: str) -> StsFacts:
        """Return the policy that holds, after making sure that no newer one is announced.

        RFC 8461 §5.1 wants that before a policy makes mail fail. DNS is asked past what is
        remembered of it, but at most every few minutes; in between, what is held is the answer.
        """
        now = self._clock.now()
        if now - self._checked.get(domain, now - CHECK_AGAIN_AFTER) < CHECK_AGAIN_AFTER:
            held = self._held(await self._store.get(domain))
            is_being_checked = domain in self._looking
            return _facts(held) if held and not is_being_checked else await self.find(domain)
        while len(self._checked) >= MOST_CHECKED:
            del self._checked[next(iter(self._checked))]
        self._checked[domain] = now
        self._resolver.forget(f"_mta-sts.{domain}", "TXT")
        return await self.find(domain)

    async def refresh(self, domain: str) -> bool:
        """Fetch the policy held for `domain` once more; return whether a policy is still held.

        It is fetched though its id is the same, so that it lasts, and though its record can't be
        had: whoever keeps DNS from us must not be able to wait until the policy expires (RFC 8461
        §10.2). Only `none` without a record is over (RFC 8461 §8.3).
        """
        stored = await self._store.get(domain)
        held = self._held(stored)
        if held is None or self._is_pausing(stored):
            return held is not None
        try:
            announced = _announced(await follow(self._resolver, f"_mta-sts.{domain}", "TXT"))
        except FetchError:
            announced = held.policy_id
        if announced is None and held.mode is StsMode.NONE:
            await self._store.drop(domain)
            return False
        await self._fetch(domain, announced or held.policy_id, held)
        return True

    async def close(self) -> None:
        """Give up what is still on its way."""
        tasks = [*self._looking.values(), *self._fetching.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, domain: str) -> StsFacts:
        stored = await self._store.get(domain)
        record = await follow(self._resolver, f"_mta-sts.{domain}", "TXT")
        held = self._held(stored)
        try:
            policy_id = _announced(record)
        except FetchError as error:
            unknown = _unknown(error.reason, str(error))
            return _in_spite_of(held, unknown) if held else unknown
        if policy_id is None:
            return await self._without_record(domain, stored, held)
        if stored and self._is_pausing(stored):
            return _facts(held) if held else _unknown(stored.reason, stored.detail)
        if held is None:
            return await self._fetch(domain, policy_id, None)
        if held.policy_id == policy_id and not _is_ageing(held, self._clock.now()):
            return _facts(held)
        return await self._renewed(domain, policy_id, held)

    async def _renewed(self, domain: str, policy_id: str, held: StoredPolicy) -> StsFacts:
        """Return the policy that replaces `held`, or `held` if that takes long or is just old."""
        fetching = self._fetching.get(domain)
        if fetching is None:
            fetching = _kept_in(self._fetching, domain, self._fetch(domain, policy_id, held))
        if policy_id != held.policy_id:
            await asyncio.wait({fetching}, timeout=self._patience)
        return fetching.result() if fetching.done() else _facts(held)

    def _held(self, stored: StoredPolicy | None) -> StoredPolicy | None:
        """Return what is stored if it is a policy that has not expired."""
        is_held = stored and stored.mode in HELD_MODES and stored.expires_at > self._clock.now()
        return stored if is_held else None

    def _is_pausing(self, stored: StoredPolicy | None) -> bool:
        return bool(stored and stored.retry_at and stored.retry_at > self._clock.now())

    async def _without_record(
        self, domain: str, stored: StoredPolicy | None, held: StoredPolicy | None
    ) -> StsFacts:
        """RFC 8461 §8.3: a record that vanished ends only what was `none`, or has expired."""
        if held and held.mode is not StsMode.NONE:
            return replace(_facts(held), detail=f"_mta-sts.{domain} announces no policy any more")
        if stored:
            await self._store.drop(domain)
        return StsFacts(mode=StsMode.ABSENT)

    async def _fetch(self, domain: str, policy_id: str, held: StoredPolicy | None) -> StsFacts:
        try:
            text = await self._host.fetch(domain)
            policy = _parsed(text)
        except FetchError as error:
            return await self._pause(domain, held, error)
        self._observer.policy_fetched("")
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
        if policy.max_age < SHORT_MAX_AGE:
            logger.warning("policy lasts for less than a day", extra={"domain": domain})
        await self._store.put(fetched)
        return _facts(fetched)

    async def _pause(self, domain: str, held: StoredPolicy | None, error: FetchError) -> StsFacts:
        """Note the failure, so that the policy host is left alone for a while (RFC 8461 §3.3)."""
        self._observer.policy_fetched(error.reason.value)
        # RFC 8461 §3.3: whoever runs this should know, unless the policy was given up anyway.
        matters = held is not None and held.mode is not StsMode.NONE
        logger.log(
            logging.WARNING if matters else logging.INFO,
            "policy not fetched",
            extra={"domain": domain, "reason": error.reason.value},
        )
        now = self._clock.now()
        retry_at = now + PAUSE_AFTER_FAILURE
        kept = held or StoredPolicy(
            domain=domain, mode=StsMode.ERROR, fetched_at=now, expires_at=retry_at
        )
        await self._store.put(
            replace(kept, retry_at=retry_at, reason=error.reason, detail=str(error))
        )
        return _facts(held) if held else _unknown(error.reason, str(error))


def _kept_in(
    tasks: dict[str, asyncio.Task[StsFacts]],
    domain: str,
    work: Coroutine[Any, Any, StsFacts],
) -> asyncio.Task[StsFacts]:
    """Start `work` and keep it in `tasks` until it is done."""

    def done(task: asyncio.Task[StsFacts]) -> None:
        tasks.pop(domain, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("policy not looked up", extra={"domain": domain}, exc_info=error)

    task = asyncio.create_task(work)
    tasks[domain] = task
    task.add_done_callback(done)
    return task


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


def _in_spite_of(held: StoredPolicy, failure: StsFacts) -> StsFacts:
    """Return the policy that is held and why nothing newer is known."""
    return replace(_facts(held), reason=failure.reason, detail=failure.detail)


def _unknown(reason: Reason, detail: str) -> StsFacts:
    return StsFacts(mode=StsMode.ERROR, reason=reason, detail=detail)
