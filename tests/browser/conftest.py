"""People in front of Chromium, and a whole Mailweb of their own behind it.

A page that logs an error, breaks the Content-Security-Policy, gets a 5xx or asks another machine
fails its test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.bob import writing
from tests.instance import Instance, running
from tests.services import chromium
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Page,
        Request,
        Response,
        ViewportSize,
    )

SERVER_ERROR = 500
DESKTOP: ViewportSize = {"width": 1400, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
TIMEOUT_MS = 15_000
expect.set_options(timeout=TIMEOUT_MS)


@dataclass
class Watch:
    """What went wrong in the pages of one test, but for what the test expects."""

    url: str
    troubles: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Take a trouble that `pattern` describes as part of the test."""
        self.expected.append(pattern)

    def follow(self, page: Page) -> None:
        """Look at everything `page` does."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.troubles.append(f"exception: {error}"))
        page.on("request", self._on_request)
        page.on("response", self._on_response)

    def check(self) -> None:
        """Fail if anything unexpected went wrong."""
        rest = [
            trouble
            for trouble in self.troubles
            if not any(re.search(pattern, trouble) for pattern in self.expected)
        ]
        assert not rest, "\n".join(rest)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(f"console: {message.text} ({message.location['url']})")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:", "about:")):
            self.troubles.append(f"request elsewhere: {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.status >= SERVER_ERROR:
            self.troubles.append(f"{response.status}: {response.url}")


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The Mailweb that all tests share, demo world and lab included.

    What a test needs untouched, such as a domain that nobody wrote to, is its own.
    """
    with running(tmp_path_factory.mktemp("instance"), "--demo") as started:
        eventually(started.is_ready)
        assert started.answers(), started.log
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def post(instance: Instance) -> Iterator[Callable[[bytes], None]]:
    """Hand letters from bob to alice over, in a process that stays: the worker files them."""
    with writing(instance) as write:
        yield write


@pytest.fixture(scope="session")
def sessions() -> dict[str, Any]:
    """The cookies of those who have logged in once."""
    return {}


@pytest.fixture
def watch(instance: Instance) -> Iterator[Watch]:
    """Sees what goes wrong in the pages of this test."""
    watch = Watch(url=instance.url)
    yield watch
    watch.check()


@pytest.fixture
def visit(
    browser: Browser, instance: Instance, watch: Watch, sessions: dict[str, Any]
) -> Iterator[Callable[..., Page]]:
    """Open a browser of its own for somebody: visit("alice"), visit("bob", size=PHONE), visit()."""
    contexts: list[BrowserContext] = []

    def open_browser(who: str = "", size: ViewportSize = DESKTOP, **options: Any) -> Page:
        if who and who not in sessions:
            sessions[who] = cookies_of(who, browser, instance)
        context = browser.new_context(
            base_url=instance.url,
            viewport=size,
            storage_state=sessions.get(who),
            locale="en-GB",
            **options,
        )
        context.set_default_timeout(TIMEOUT_MS)
        context.on("page", watch.follow)
        contexts.append(context)
        page = context.new_page()
        page.goto("/")
        return page

    yield open_browser
    for context in contexts:
        context.close()


@pytest.fixture
def alice_page(visit: Callable[..., Page]) -> Page:
    """Alice at her desk, in her inbox."""
    return visit("alice")


@pytest.fixture
def bob_page(visit: Callable[..., Page]) -> Page:
    """Bob at his desk, in his inbox."""
    return visit("bob")


@pytest.fixture
def alice_phone(visit: Callable[..., Page]) -> Page:
    """Alice with her phone, in her inbox."""
    return visit("alice", size=PHONE, has_touch=True)


def cookies_of(who: str, browser: Browser, instance: Instance) -> Any:
    """Log in through the form, and return what the browser keeps."""
    context = browser.new_context(base_url=instance.url)
    page = context.new_page()
    log_in(page, who, instance)
    state = context.storage_state()
    context.close()
    return state


def log_in(page: Page, who: str, instance: Instance) -> None:
    """Log in as alice, bob or admin, as a person does."""
    login = who if who == "admin" else f"{who}@mailweb.test"
    page.goto("/accounts/login/")
    page.get_by_label("Email address").fill(login)
    page.get_by_label("Password", exact=True).fill(instance.passwords[login])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda now: "/accounts/login/" not in now)
