"""Both ways to run, from a message at a shell to the page that hears of it."""

from __future__ import annotations

import os
import re
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.instance import Instance, running
from tests.waiting import PATIENCE_SECONDS, eventually

if TYPE_CHECKING:
    from pathlib import Path

LETTER = (
    b"From: alice@mailweb.test\r\nTo: bob@mailweb.test\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n"
)


def cookies_of_bob(instance: Instance) -> str:
    jar, door = CookieJar(), f"{instance.url}/accounts/login/"
    browser = build_opener(HTTPCookieProcessor(jar))
    with browser.open(door) as page:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
    assert token
    password = instance.passwords["bob@mailweb.test"]
    form = {"username": "bob@mailweb.test", "password": password, "csrfmiddlewaretoken": token[1]}
    browser.open(Request(door, urlencode(form).encode())).close()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def open_page_hears_of_new_mail(data: Path, **environment: str) -> None:
    with running(data, "--demo", **environment) as instance:
        eventually(instance.is_ready)
        headers = {"Cookie": cookies_of_bob(instance)}
        socket = f"{instance.url.replace('http', 'ws')}/ws/"
        with connect(socket, origin=Origin(instance.url), additional_headers=headers) as page:
            people = ("--from", "alice@mailweb.test", "--to", "bob@mailweb.test")
            instance.manage("send", *people, "-", standard_input=LETTER)
            assert "mailbox-changed" in page.recv(timeout=PATIENCE_SECONDS)


def test_open_page_hears_of_new_mail_without_any_service(tmp_path: Path) -> None:
    open_page_hears_of_new_mail(tmp_path)


@pytest.mark.services
def test_open_page_hears_of_new_mail_through_postgresql_and_redis(tmp_path: Path) -> None:
    open_page_hears_of_new_mail(
        tmp_path,
        DATABASE_URL=os.environ["DATABASE_URL"],
        REDIS_URL=os.environ["REDIS_URL"],
        REDIS_PREFIX=tmp_path.name,
    )
