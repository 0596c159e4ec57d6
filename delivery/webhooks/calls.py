"""Making the calls that are due.

Calls are taken under a lease by conditional UPDATE, so that two workers never make the same one at
a time; a webhook is called by one at a time here, and several webhooks side by side. No
transaction is open while the network is used.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction

from delivery import metrics
from delivery.agent.caller import CallAnswer, Caller, CallError
from delivery.agent.clock import Clock
from delivery.agent.resolver import DnsResolver
from delivery.config import DeliveryConfig
from delivery.webhook_models import CallState, Webhook, WebhookCall
from delivery.webhooks import services, signature, targets
from delivery.webhooks.schedule import next_try
from mailweb.lib.sealed import BrokenSealError

logger = logging.getLogger(__name__)

TAKEN_AT_ONCE = 200
TAKEN_OF_ONE = 20
"""Calls of one webhook in one turn; with twenty answers of 30 seconds the lease still holds."""

LEASE = timedelta(minutes=15)
AT_ONCE = 10
REST = timedelta(seconds=10)
"""A webhook that failed is left alone for that long, however many calls are due."""

STOPPED_AFTER = timedelta(days=5)
KEPT_FOR = timedelta(days=14)
USER_AGENT = "Mailweb-Webhook/1"
GONE = 410

_COUNTED_AS = {
    CallState.DONE: metrics.Call.DONE,
    CallState.PENDING: metrics.Call.AGAIN,
    CallState.GIVEN_UP: metrics.Call.GIVEN_UP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How one call went. `answer` is None if there was none; `words` then says why."""

    call: WebhookCall
    answer: CallAnswer | None
    words: str

    @property
    def is_success(self) -> bool:
        """Any 2xx is one."""
        return self.answer is not None and 200 <= self.answer.status < 300


def make(*, config: DeliveryConfig, clock: Clock) -> int:
    """Make every call that is due, and return how many were made."""
    made = 0
    while taken := take(now=clock.now()):
        made += len(taken)
        async_to_sync(_make_all)(taken, config, clock)
    return made


def take(*, now: datetime) -> list[WebhookCall]:
    """Take calls that are due under a lease, a few of each webhook."""
    WebhookCall.objects.filter(state=CallState.CALLING, lease_until__lt=now).update(
        state=CallState.PENDING, lease_until=None, next_try_at=now
    )
    with transaction.atomic():
        keys = list(
            WebhookCall.objects.due(now)
            .select_for_update(skip_locked=True, of=("self",))
            .values_list("pk", "webhook")[:TAKEN_AT_ONCE]
        )
        share: dict[int, list[int]] = defaultdict(list)
        for key, webhook in keys:
            share[webhook].append(key)
        ours = [key for some in share.values() for key in some[:TAKEN_OF_ONE]]
        WebhookCall.objects.filter(pk__in=ours, state=CallState.PENDING).update(
            state=CallState.CALLING, lease_until=now + LEASE
        )
        taken = WebhookCall.objects.filter(pk__in=ours, state=CallState.CALLING)
        return list(taken.select_related("webhook").order_by("pk"))


def forget(*, now: datetime) -> int:
    """Remove calls that ended long ago; return how many."""
    return WebhookCall.objects.filter(finished_at__lt=now - KEPT_FOR).delete()[0]


async def _make_all(taken: list[WebhookCall], config: DeliveryConfig, clock: Clock) -> None:
    by_hook: dict[int, list[WebhookCall]] = defaultdict(list)
    for call in taken:
        by_hook[call.webhook_id].append(call)
    resolver = DnsResolver(config.agent, clock=clock)
    caller = Caller(
        resolver=resolver,
        ca_file=config.agent.ca_file,
        allows=lambda address, is_tls: targets.may_call(
            address, is_tls=is_tls, networks=config.webhook_networks
        ),
    )
    line = _Line(caller=caller, clock=clock, seconds=30 * config.agent.time_scale)
    try:
        await asyncio.gather(*(line.serve(calls) for calls in by_hook.values()))
    finally:
        await resolver.close()


@dataclass(slots=True)
class _Line:
    """Calls of several webhooks side by side, those of one in their order."""

    caller: Caller
    clock: Clock
    seconds: float
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def serve(self, calls: list[WebhookCall]) -> None:
        """Make the calls of one webhook, until one of them fails; the rest is put back."""
        async with self._places:
            for number, call in enumerate(calls):
                done = await self._make(call)
                stays = await sync_to_async(settle)(
                    done,
                    now=self.clock.now(),
                    jitter=random.random(),  # noqa: S311
                )
                if not stays:
                    rest = [one.pk for one in calls[number + 1 :]]
                    await sync_to_async(put_back)(rest)
                    return

    async def _make(self, call: WebhookCall) -> Done:
        body = call.body.encode()
        try:
            target = targets.parse(call.webhook.url)
            signed = signature.headers(
                call_id=str(call.uuid),
                at=self.clock.now(),
                body=body,
                secret=services.secret_of(call.webhook),
            )
            answer = await self.caller.post(
                is_tls=target.is_tls,
                host=target.host,
                port=target.port,
                path=target.path,
                headers={
                    **signed,
                    "Content-Type": "application/json",
                    "User-Agent": USER_AGENT,
                    "Mailweb-Event": call.event,
                    "Mailweb-Try": str(call.tries + 1),
                },
                body=body,
                seconds=self.seconds,
            )
        except (CallError, targets.BadUrlError) as error:
            return Done(call=call, answer=None, words=str(error))
        except BrokenSealError:
            words = "Its secret can't be read here any more. Give it another one."
            return Done(call=call, answer=None, words=words)
        except Exception:
            logger.exception("webhook call broke", extra={"call": str(call.uuid)})
            words = "Something went wrong on this server. The call is made again."
            return Done(call=call, answer=None, words=words)
        return Done(call=call, answer=answer, words=answer.words)


def put_back(keys: Iterable[int]) -> None:
    """Leave calls that were taken and not made for the next turn."""
    WebhookCall.objects.filter(pk__in=list(keys), state=CallState.CALLING).update(
        state=CallState.PENDING, lease_until=None
    )


def settle(done: Done, *, now: datetime, jitter: float) -> bool:
    """Write down how a call went; return whether its webhook may be called on."""
    call, answer = done.call, done.answer
    tries = call.tries + 1
    again = None
    if not done.is_success:
        asked_for = _asked_for(answer) if answer else None
        again = next_try(tries, now=now, jitter=jitter, asked_for=asked_for)
    state = (
        CallState.PENDING if again else CallState.DONE if done.is_success else CallState.GIVEN_UP
    )
    metrics.WEBHOOK_CALLS.add(call.event, _COUNTED_AS[state])
    with transaction.atomic():
        WebhookCall.objects.filter(pk=call.pk, state=CallState.CALLING).update(
            state=state,
            tries=tries,
            next_try_at=again,
            lease_until=None,
            status=answer.status if answer else None,
            answer=done.words[:600],
            finished_at=None if again else now,
        )
        if done.is_success:
            Webhook.objects.filter(pk=call.webhook_id).update(
                failing_since=None, resting_until=None
            )
            return True
        _note_failure(call.webhook, answer, now)
    return False


def _asked_for(answer: CallAnswer) -> timedelta | None:
    """Read `Retry-After` where it gives seconds; a date is not worth the risk of another clock."""
    text = answer.retry_after.strip()
    return (
        timedelta(seconds=int(text))
        if text.isascii() and text.isdigit() and len(text) < 7
        else None
    )


def _note_failure(webhook: Webhook, answer: CallAnswer | None, now: datetime) -> None:
    since = webhook.failing_since or now
    Webhook.objects.filter(pk=webhook.pk).update(failing_since=since, resting_until=now + REST)
    if answer is not None and answer.status == GONE:
        because = "It answered 410: it wants no more calls."
        services.stop(webhook=webhook, because=because)
    elif now - since > STOPPED_AFTER:
        because = f"No call has worked since {since:%d %B %Y}."
        services.stop(webhook=webhook, because=because)
