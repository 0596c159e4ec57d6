"""Access tokens for relays that take nothing else: fetched by HTTPS, kept until they are old.

One process at a time asks for a new one, and all others use it: the store says whose turn it is. A
server of tokens that can't be reached makes mail wait; one that refuses for good is a log-in that
was refused.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from delivery.agent.caller import Caller, CallError
from delivery.agent.clock import Clock
from delivery.policy.transport import Transport
from delivery.sasl.renewal import Grant, Renewed, TokenError, read

FETCH_SECONDS = 30.0
PATIENCE_SECONDS = 40.0
LOOKS_AGAIN_AFTER_SECONDS = 0.5
TURN = timedelta(seconds=60)
"""How long whoever asks for a token keeps others from asking."""

RESTS = timedelta(minutes=2)
"""How long a server of tokens is left alone after it failed."""

KEEP_TRIES = 60
ENDS_WITHIN_SECONDS = 5.0
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

logger = logging.getLogger(__name__)

Key = tuple[str, int]
"""Name and version of a transport."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token, and when it is time for another one."""

    token: str = field(repr=False)
    good_until: datetime


class TokenStore(Protocol):
    """Where tokens are kept, for all processes.

    All of it raises TokenError where the transport is not what it was, or has no such thing.
    """

    async def get(self, key: Key) -> AccessToken | None:
        """Return the last token that was kept."""

    async def begin(self, key: Key, *, now: datetime, until: datetime) -> Grant | None:
        """Return what to ask with; None if somebody else is asking."""

    async def keep(self, key: Key, renewed: Renewed, *, grant: Grant, good_until: datetime) -> None:
        """Keep what was issued, and let others ask."""

    async def give_up(self, key: Key) -> None:
        """Let others ask."""


class Tokens:
    """Puts a token that is good into the transports that need one."""

    def __init__(
        self, *, store: TokenStore | None, caller: Caller, clock: Clock, time_scale: float = 1.0
    ) -> None:
        self._store = store
        self._caller = caller
        self._clock = clock
        self._time_scale = time_scale
        self._held: dict[Key, AccessToken] = {}
        self._asking: dict[Key, asyncio.Task[AccessToken]] = {}
        self._failed: dict[Key, tuple[datetime, TokenError]] = {}

    async def ready(self, via: Transport) -> Transport:
        """Return `via` with a token, if it needs one.

        Raises:
            TokenError: none can be had.
        """
        if via.credentials is None or not via.credentials.renews:
            return via
        return await self._with_token(via, refused="")

    async def after_refusal(self, via: Transport) -> Transport:
        """Return `via` with another token than the one that its relay did not take.

        Raises:
            TokenError: none can be had.
        """
        return await self._with_token(
            via, refused=via.credentials.secret if via.credentials else ""
        )

    async def renewed(self, via: Transport) -> Transport:
        """Return `via` with a token that was issued just now, if it needs one.

        Raises:
            TokenError: none can be had.
        """
        if via.credentials is None or not via.credentials.renews:
            return via
        kept = await self._store.get(via.key) if self._store else None
        return await self._with_token(via, refused=kept.token if kept else "")

    async def close(self) -> None:
        """Let end what is on its way: a refresh token that is good once must not get lost."""
        asking = list(self._asking.values())
        if asking:
            await asyncio.wait(asking, timeout=ENDS_WITHIN_SECONDS)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _with_token(self, via: Transport, *, refused: str) -> Transport:
        held = self._held.get(via.key)
        while held is None or held.token == refused or held.good_until <= self._clock.now():
            asking, is_ours = self._asking.get(via.key), False
            if asking is None:
                asking, is_ours = self._ask(via.key, refused), True
            held = await asyncio.shield(asking)
            if is_ours:
                break
        if via.credentials is None:
            raise AssertionError("Who needs no token does not ask for one.")
        return replace(via, credentials=replace(via.credentials, secret=held.token))

    def _ask(self, key: Key, refused: str) -> asyncio.Task[AccessToken]:
        def done(task: asyncio.Task[AccessToken]) -> None:
            self._asking.pop(key, None)
            if not task.cancelled():
                task.exception()  # whoever waits for it is told; perhaps nobody does

        task = asyncio.create_task(self._ask_once(key, refused))
        self._asking[key] = task
        task.add_done_callback(done)
        return task

    async def _ask_once(self, key: Key, refused: str) -> AccessToken:
        until, failure = self._failed.get(key, (self._clock.now(), None))
        if failure is not None and self._clock.now() < until:
            raise failure
        try:
            self._held[key] = await self._found(key, refused)
        except TokenError as error:
            self._failed[key] = self._clock.now() + RESTS, error
            logger.warning("token not renewed", extra={"transport": key[0], "because": str(error)})
            raise
        self._failed.pop(key, None)
        return self._held[key]

    async def _found(self, key: Key, refused: str) -> AccessToken:
        """Return a token that somebody else has got meanwhile, or get one."""
        if self._store is None:
            raise TokenError("Nothing here keeps tokens.")
        tries = int(PATIENCE_SECONDS / LOOKS_AGAIN_AFTER_SECONDS)
        for _ in range(tries):
            kept, now = await self._store.get(key), self._clock.now()
            if kept is not None and kept.token != refused and kept.good_until > now:
                return kept
            grant = await self._store.begin(key, now=now, until=now + TURN)
            if grant is not None:
                return await self._fetched(self._store, key, grant)
            await asyncio.sleep(LOOKS_AGAIN_AFTER_SECONDS * self._time_scale)
        raise TokenError("Another worker asks for a new token, and has none yet.")

    async def _fetched(self, store: TokenStore, key: Key, grant: Grant) -> AccessToken:
        at = grant.endpoint
        try:
            answer = await self._caller.post(
                is_tls=True,
                host=at.host,
                port=at.port,
                path=at.path,
                headers=_HEADERS,
                body=grant.body,
                seconds=FETCH_SECONDS * self._time_scale,
            )
            renewed = read(answer.status, answer.words, grant)
        except (CallError, TokenError) as error:
            await store.give_up(key)
            raise error if isinstance(error, TokenError) else TokenError(str(error)) from None
        good_until = self._clock.now() + renewed.used_for
        await self._kept(store, key, renewed, grant, good_until)
        logger.info("token renewed", extra={"transport": key[0], "until": str(good_until)})
        return AccessToken(token=renewed.token, good_until=good_until)

    async def _kept(
        self, store: TokenStore, key: Key, renewed: Renewed, grant: Grant, good_until: datetime
    ) -> None:
        """Keep what was issued, though the store be away for a while: it may be good once only."""
        for _ in range(KEEP_TRIES):
            try:
                await store.keep(key, renewed, grant=grant, good_until=good_until)
            except Exception:
                logger.exception("token not kept", extra={"transport": key[0]})
                await asyncio.sleep(LOOKS_AGAIN_AFTER_SECONDS * self._time_scale)
            else:
                return
