from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from channels.testing import WebsocketCommunicator

from mailweb.asgi import application

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db(transaction=True)


def socket_of(client: Client | None, origin: str = "http://testserver") -> WebsocketCommunicator:
    cookie = client.cookies.output(header="", sep=";").strip() if client else ""
    headers = [(b"origin", origin.encode()), (b"cookie", cookie.encode())]
    return WebsocketCommunicator(application, "/ws/", headers=headers)


async def test_page_of_somebody_logged_in_is_connected(as_alice: Client) -> None:
    page = socket_of(as_alice)
    assert (await page.connect())[0]
    await page.disconnect()


async def test_stranger_is_not_connected() -> None:
    assert not (await socket_of(None).connect())[0]


async def test_page_of_another_site_is_not_connected(as_alice: Client) -> None:
    assert not (await socket_of(as_alice, origin="https://elsewhere.test").connect())[0]
