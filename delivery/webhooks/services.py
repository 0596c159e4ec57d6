"""What an account may do with its webhooks. Each call is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from delivery import tasks
from delivery.config import DeliveryConfig
from delivery.webhook_models import CallState, Event, Webhook, WebhookCall
from delivery.webhooks import document, signature, targets
from mailweb.lib import sealed
from mailweb.lib.errors import UserError
from mailweb.lib.queue import enqueue

if TYPE_CHECKING:
    from accounts.models import User

PURPOSE = "webhook secret"
MOST_WEBHOOKS = 10
MOST_TESTS = 50
"""How many tests of one webhook wait; whoever presses the button more often gets no more."""


class TooManyWebhooksError(UserError):
    """You have as many webhooks as an account may have. Remove one first."""


class WebhookTakenError(UserError):
    """You have a webhook for this URL already."""


def add(*, owner: User, url: str, events: Sequence[Event], now: datetime) -> tuple[Webhook, str]:
    """Make a webhook; return it and its secret, which nothing shows again.

    Raises:
        BadUrlError, TooManyWebhooksError, WebhookTakenError: it can't be made.
    """
    url = url.strip()
    target = targets.parse(url)
    if not (target.is_tls or DeliveryConfig.from_settings().webhook_networks):
        raise targets.BadUrlError("The URL must begin with https://.")
    if owner.webhooks.count() >= MOST_WEBHOOKS:
        raise TooManyWebhooksError
    secret = signature.new_secret()
    wanted = [] if set(events) >= set(Event) - {Event.TEST} else [one.value for one in events]
    try:
        with transaction.atomic():
            hook = Webhook.objects.create(
                owner=owner, url=url, sealed_secret=_sealed(secret), events=wanted, created_at=now
            )
    except IntegrityError:
        raise WebhookTakenError from None
    return hook, secret


def renew_secret(*, webhook: Webhook) -> str:
    """Give a webhook another secret and return it; calls are signed with it from now on."""
    secret = signature.new_secret()
    Webhook.objects.filter(pk=webhook.pk).update(sealed_secret=_sealed(secret))
    return secret


def secret_of(webhook: Webhook) -> str:
    """Return the secret that calls are signed with.

    Raises:
        BrokenSealError: it was sealed with a key that this installation has no more.
    """
    return sealed.unseal(bytes(webhook.sealed_secret), purpose=PURPOSE).decode()


def _sealed(secret: str) -> bytes:
    return sealed.seal(secret.encode(), purpose=PURPOSE)


def remove(*, webhook: Webhook) -> None:
    """Forget a webhook and its calls."""
    webhook.delete()


def stop(*, webhook: Webhook, because: str) -> None:
    """Call it no more until it is started again; what waits is kept."""
    Webhook.objects.filter(pk=webhook.pk).update(is_active=False, stopped_because=because[:300])


def start(*, webhook: Webhook, now: datetime) -> None:
    """Call it again; what waited is due at once."""
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(
            is_active=True, stopped_because="", failing_since=None, resting_until=None
        )
        webhook.calls.filter(state=CallState.PENDING).update(next_try_at=now)
        enqueue(tasks.call_webhooks)


def send_test(*, webhook: Webhook, now: datetime) -> WebhookCall:
    """Have it called once, about nothing; where many such calls wait already, by one of those."""
    with transaction.atomic():
        waiting = list(webhook.calls.filter(event=Event.TEST, state=CallState.PENDING)[:MOST_TESTS])
        if len(waiting) == MOST_TESTS:
            return waiting[0]
        call = WebhookCall.objects.create(
            webhook=webhook,
            event=Event.TEST,
            body=document.test(now=now),
            created_at=now,
            next_try_at=now,
        )
        Webhook.objects.filter(pk=webhook.pk).update(resting_until=None)
        enqueue(tasks.call_webhooks)
    return call


def repeat(*, call: WebhookCall, now: datetime) -> bool:
    """Make a finished call again, with the same id and words; False if it is not finished."""
    with transaction.atomic():
        again = WebhookCall.objects.filter(
            pk=call.pk, state__in=(CallState.DONE, CallState.GIVEN_UP)
        ).update(state=CallState.PENDING, next_try_at=now, tries=0, finished_at=None)
        if again:
            enqueue(tasks.call_webhooks)
    return bool(again)
