"""The one websocket: tells the open pages of an account what changed, by ids.

Rule: nothing is read or written here but the session; a page that hears of a change asks for
it over HTTP, where access is checked.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from delivery import events

if TYPE_CHECKING:
    from accounts.models import User

MAX_INPUT = 256
MAX_INPUTS = 4000
LOGGED_OUT = 4401
TOO_MUCH = 4408


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """One open page. Its only input is `{"ping": true}`, which also checks the session."""

    group = ""
    inputs = 0

    async def connect(self) -> None:
        """Join the account's group, or refuse somebody who is not logged in."""
        user: User | None = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.close(LOGGED_OUT)
            return
        self.group = events.group_for(user.pk)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        """Leave the account's group."""
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Answer a ping; anything else is ignored, and too much of it ends the connection."""
        self.inputs += 1
        if self.inputs > MAX_INPUTS or len(text_data or bytes_data or "") > MAX_INPUT:
            await self.close(TOO_MUCH)
        elif text_data == '{"ping":true}' and await self._is_logged_in():
            await self.send_json({"event": "pong", "ids": {}})

    async def account_event(self, message: dict[str, Any]) -> None:
        """Forward what changed, as long as the session lives."""
        if await self._is_logged_in():
            await self.send_json({"event": message["event"], "ids": message["ids"]})

    async def _is_logged_in(self) -> bool:
        """Tell whether the session still belongs to the user; end the connection if not."""
        user: User = self.scope["user"]
        key: str = self.scope["session"].session_key or ""
        if await database_sync_to_async(_owns_session)(user.pk, key):
            return True
        await self.close(LOGGED_OUT)
        return False


def _owns_session(user_id: int, session_key: str) -> bool:
    """Ask the session store, and whether the account is active and its password unchanged."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return bool(session_key) and get_user(request).pk == user_id
