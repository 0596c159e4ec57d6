"""The page of the demo that shows what the lab's hosts accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from delivery.lab import PROFILES, Mailbox
from tests.lab.test_mailbox import make_message

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings


@pytest.fixture
def box(settings: Settings, tmp_path: Path) -> Mailbox:
    """The lab's mailbox of a demo."""
    settings.DEMO, settings.LAB_DIR = True, tmp_path
    return Mailbox(tmp_path)


def test_without_demo_there_is_no_such_page(as_alice: Client, settings: Settings):
    settings.DEMO = False
    assert as_alice.get("/lab/").status_code == 404
    assert as_alice.get(f"/lab/{uuid4()}/").status_code == 404


def test_the_sidebar_leads_to_it_in_demo_mode_only(as_alice: Client, settings: Settings):
    for is_demo in (True, False):
        settings.DEMO = is_demo
        assert (b'href="/lab/"' in as_alice.get("/mail/inbox/").content) == is_demo


def test_stranger_has_to_log_in(client: Client, db: None, box: Mailbox):
    assert client.get("/lab/").status_code == 302


def test_before_the_first_message_it_says_so(as_alice: Client, box: Mailbox):
    assert b"No server of the lab has accepted a message yet." in as_alice.get("/lab/").content


def test_before_the_lab_has_run_it_says_so_too(
    as_alice: Client, settings: Settings, tmp_path: Path
):
    settings.DEMO, settings.LAB_DIR = True, tmp_path / "never"
    assert as_alice.get("/lab/").status_code == 200


def test_accepted_mail_is_listed_newest_first(as_alice: Client, box: Mailbox):
    for number, name in enumerate(["bob@dane.test", "charlie@dane.test"]):
        box.add(replace(make_message(number), recipients=(name,)))
    page = as_alice.get("/lab/").content.decode()
    assert 0 < page.index("charlie@dane.test") < page.index("bob@dane.test")
    assert "TLS 1.3, REQUIRETLS" in page


def test_plain_text_is_called_so(as_alice: Client, box: Mailbox):
    box.add(replace(make_message(), tls=None, mail_parameters=()))
    assert "Plain text" in as_alice.get("/lab/").content.decode()


def test_every_profile_links_to_compose(as_alice: Client, box: Mailbox):
    page = as_alice.get("/lab/").content.decode()
    for profile in PROFILES.values():
        assert f"/mail/compose/?to=someone%40{profile.domain}" in page


def test_htmx_gets_the_list_alone(as_alice: Client, box: Mailbox):
    page = as_alice.get("/lab/", headers={"HX-Request": "true", "HX-Target": "lab-mails"})
    text = page.content.decode().strip()
    assert text.startswith('<section class="section" id="lab-mails"')
    assert text.endswith("</section>")


def test_one_message_is_shown_as_it_came(as_alice: Client, box: Mailbox):
    message = make_message(1, b"Subject: <b>hello</b>\r\n\r\nGr\xc3\xbc\xc3\x9fe\xff\r\n")
    box.add(message)
    page = as_alice.get(f"/lab/{message.uuid}/").content.decode()
    assert "Subject: &lt;b&gt;hello&lt;/b&gt;" in page
    assert "Grüße\N{REPLACEMENT CHARACTER}" in page
    assert "mx.dane.test (127.0.0.30)" in page
    assert "REQUIRETLS SIZE=30" in page


def test_a_long_message_is_cut_and_says_so(as_alice: Client, box: Mailbox):
    message = make_message(1, b"x" * 300_000)
    box.add(message)
    page = as_alice.get(f"/lab/{message.uuid}/").content.decode()
    assert "Only the first 256 KB are shown." in page
    assert len(page) < 290_000


def test_a_message_the_lab_has_dropped_is_not_found(as_alice: Client, box: Mailbox):
    assert as_alice.get(f"/lab/{uuid4()}/").status_code == 404
