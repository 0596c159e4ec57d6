from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session

from delivery import events
from mailweb.asgi import application
from mailweb.webmail import services
from mailweb.webmail.models import Role

pytestmark = pytest.mark.django_db(transaction=True)


def socket_of(client) -> WebsocketCommunicator:
    cookie = client.cookies.output(header="", sep=";").strip()
    headers = [(b"origin", b"http://testserver"), (b"cookie", cookie.encode())]
    return WebsocketCommunicator(application, "/ws/", headers=headers)


@pytest.fixture
async def page(as_alice):
    connected = socket_of(as_alice)
    assert (await connected.connect())[0]
    yield connected
    await connected.disconnect()


async def test_change_reaches_the_owners_page_as_ids_only(page, alice):
    await sync_to_async(events.publish)(alice.pk, events.DELIVERY_CHANGED, message=7)
    assert await page.receive_json_from() == {"event": "delivery-changed", "ids": {"message": 7}}


async def test_filed_message_is_news_of_its_mailbox(page, alice, now):
    message = await sync_to_async(services.file_message)(
        user=alice, role_or_mailbox=Role.INBOX, data=b"Subject: Roof\r\n\r\n", now=now
    )
    news = await page.receive_json_from()
    assert news == {"event": "mailbox-changed", "ids": {"mailbox": message.mailbox_id}}


async def test_news_of_others_stays_with_them(page, bob):
    await sync_to_async(events.publish)(bob.pk, events.MAILBOX_CHANGED, mailbox=1)
    assert await page.receive_nothing()


async def test_ping_is_answered_and_other_input_ignored(page):
    await page.send_to(text_data='{"subscribe":"account.1"}')
    assert await page.receive_nothing()
    await page.send_to(text_data='{"ping":true}')
    assert (await page.receive_json_from())["event"] == "pong"


async def test_long_input_ends_the_connection(page):
    await page.send_to(text_data="x" * 1000)
    assert await page.receive_output() == {"type": "websocket.close", "code": 4408}


@pytest.mark.parametrize("cause", ["news", "ping"])
async def test_page_is_let_go_once_its_session_is_gone(page, alice, cause):
    await sync_to_async(Session.objects.all().delete)()
    if cause == "news":
        await sync_to_async(events.publish)(alice.pk, events.MAILBOX_CHANGED, mailbox=1)
    else:
        await page.send_to(text_data='{"ping":true}')
    assert await page.receive_output() == {"type": "websocket.close", "code": 4401}
