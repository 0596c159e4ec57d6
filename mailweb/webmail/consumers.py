"""The one websocket: it tells an open page which of its parts to read again."""

from __future__ import annotations

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from delivery import events

NOT_LOGGED_IN = 4401


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """One open page. Hears of the events of its account as ids; says nothing of substance."""

    groups: list[str] = []

    async def connect(self) -> None:
        """Join the account's group, or close if nobody is logged in."""
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(code=NOT_LOGGED_IN)
            return
        self.groups = [events.group_for(user.pk)]
        await self.channel_layer.group_add(self.groups[0], self.channel_name)
        await self.accept()

    async def account_event(self, event: dict[str, Any]) -> None:
        """Pass on which kind of thing changed, and its ids."""
        await self.send_json({"event": event["event"], "ids": event["ids"]})
