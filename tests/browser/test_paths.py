"""What people do from end to end, each as one path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import PHONE, log_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.conftest import Watch
    from tests.instance import Instance


def test_stranger_is_led_to_the_log_in_and_on_to_the_inbox(
    visit: Callable[..., Page], instance: Instance
) -> None:
    page = visit()
    expect(page).to_have_title("Log in · Mailweb")
    log_in(page, "bob", instance)
    expect(page.get_by_text("You are the neighbour").first).to_be_visible()


def test_wrong_password_is_refused_in_words(visit: Callable[..., Page], watch: Watch) -> None:
    watch.expect("422")
    page = visit()
    page.get_by_label("Email address").fill("charlie@mailweb.test")
    page.get_by_label("Password", exact=True).fill("not hers")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Address and password do not match.")).to_be_visible()


def test_letter_is_opened_and_left_by_keyboard(alice_page: Page) -> None:
    alice_page.get_by_role("link", name="Whom to write to first").focus()
    alice_page.keyboard.press("Enter")
    expect(alice_page.get_by_role("heading", name="Whom to write to first")).to_be_visible()
    expect(alice_page.get_by_text("announces REQUIRETLS and publishes DANE")).to_be_visible()
    alice_page.go_back()
    expect(alice_page.get_by_role("link", name="Whom to write to first")).to_be_visible()


def test_nothing_scrolls_sideways_on_a_phone(alice_phone: Page) -> None:
    for path in ("/mail/inbox/", "/security/", "/settings/", "/mail/sent/"):
        alice_phone.goto(path)
        width = alice_phone.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], path
