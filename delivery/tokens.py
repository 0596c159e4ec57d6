"""Access tokens in the database, sealed: what one worker got, all of them use."""

from __future__ import annotations

from datetime import datetime

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Q

from delivery.agent.tokens import AccessToken, Key
from delivery.models import Transport, TransportToken
from delivery.sasl.renewal import Endpoint, Grant, Renewed, TokenError
from mailweb.lib.sealed import BrokenSealError


class DatabaseTokens:
    """A `TokenStore`."""

    async def get(self, key: Key) -> AccessToken | None:
        """Return the last token that was kept."""
        return await sync_to_async(_get)(key)

    async def begin(self, key: Key, *, now: datetime, until: datetime) -> Grant | None:
        """Return what to ask with; None if somebody else is asking."""
        return await sync_to_async(_begin)(key, now, until)

    async def keep(self, key: Key, renewed: Renewed, *, grant: Grant, good_until: datetime) -> None:
        """Keep what was issued, and let others ask."""
        await sync_to_async(_keep)(key, renewed, grant, good_until)

    async def give_up(self, key: Key) -> None:
        """Let others ask."""
        rows = TransportToken.objects.filter(transport__name=key[0])
        await sync_to_async(rows.update)(asking_until=None)


def _get(key: Key) -> AccessToken | None:
    name, version = key
    row = TransportToken.objects.filter(transport__name=name, transport__version=version).first()
    if row is None or row.good_until is None:
        return None
    try:
        return AccessToken(token=row.token, good_until=row.good_until)
    except BrokenSealError:
        return None


def _begin(key: Key, now: datetime, until: datetime) -> Grant | None:
    name, version = key
    row = Transport.objects.filter(name=name, version=version).first()
    if row is None or not row.token_url:
        raise TokenError("The transport has been changed meanwhile.")
    TransportToken.objects.get_or_create(transport=row)
    is_free = Q(asking_until=None) | Q(asking_until__lte=now)
    took = TransportToken.objects.filter(is_free, transport=row).update(asking_until=until)
    return grant_of(row) if took else None


def grant_of(row: Transport) -> Grant:
    """Return what tokens for a transport are asked for with.

    Raises:
        TokenError: it can't be opened.
    """
    try:
        return Grant(
            endpoint=Endpoint.of(row.token_url),
            client_id=row.client_id,
            refresh_token=row.secret,
            client_secret=row.client_secret,
            scope=row.token_scope,
        )
    except BrokenSealError:
        raise TokenError(
            "Its secrets can't be opened, because SECRET_KEY has changed.", is_final=True
        ) from None


@transaction.atomic
def _keep(key: Key, renewed: Renewed, grant: Grant, good_until: datetime) -> None:
    """Keep a token, and the refresh token if that is another one now (RFC 6749 §6).

    What an operator has entered meanwhile is left alone: then nothing of this is of use.
    """
    row = Transport.objects.select_for_update().filter(name=key[0]).first()
    if row is None or grant_of(row) != grant:
        return
    if renewed.refresh_token != grant.refresh_token:
        row.secret = renewed.refresh_token
        row.save(update_fields=["sealed_secret"])
    token = TransportToken(transport=row, good_until=good_until)
    token.token = renewed.token
    TransportToken.objects.update_or_create(
        transport=row,
        defaults={
            "sealed_token": token.sealed_token,
            "good_until": good_until,
            "asking_until": None,
        },
    )
