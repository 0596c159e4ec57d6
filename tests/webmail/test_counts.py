from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

from mailweb.webmail import services
from mailweb.webmail.models import Role

if TYPE_CHECKING:
    from datetime import datetime

    from django.test import Client

    from accounts.models import User

LETTER = b"From: bob@mailweb.test\r\nTo: alice@mailweb.test\r\nSubject: Keys\r\n\r\nHello.\r\n"
URL = reverse("webmail:counts")


def test_each_number_comes_with_the_place_it_belongs_to(
    as_alice: Client, alice: User, now: datetime
):
    services.file_message(user=alice, role_or_mailbox=Role.INBOX, data=LETTER, now=now)
    page = as_alice.get(URL).content.decode()
    assert '<span class="nav-count" id="nav-count-inbox" hx-swap-oob="true">1</span>' in page
    assert '<span class="nav-count" id="nav-count-outbox" hx-swap-oob="true"></span>' in page
    assert 'id="tab-count-outbox"' in page


def test_nobody_sees_the_numbers_of_another(as_charlie: Client, alice: User, now: datetime):
    services.file_message(user=alice, role_or_mailbox=Role.INBOX, data=LETTER, now=now)
    page = as_charlie.get(URL).content.decode()
    assert '<span class="nav-count" id="nav-count-inbox" hx-swap-oob="true"></span>' in page


def test_a_stranger_is_sent_to_the_door(client: Client, db: None):
    answer = client.get(URL)
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("accounts:login"))


def test_numbers_are_only_read(as_alice: Client):
    assert as_alice.post(URL).status_code == 405
