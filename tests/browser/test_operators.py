"""The operators' pages: an order by keyboard alone, lists on a phone, a name for every control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.instance import Instance

PAGES = (
    "",
    "delivery/recipient/",
    "delivery/destinationhealth/",
    "delivery/attempt/",
    "delivery/transport/",
    "delivery/transport/add/",
    "delivery/route/add/",
    "delivery/route/explain/",
    "delivery/holdrule/add/",
    "delivery/suppression/",
    "delivery/webhook/",
    "accounts/auditentry/",
    "accounts/user/",
    "accounts/dkimkey/",
)
NAMELESS = """() => [...document.querySelectorAll("input, select, textarea, button, a[href]")]
  .filter(one => one.type !== "hidden" && one.checkVisibility())
  .filter(one => !(one.labels?.length || one.ariaLabel || one.getAttribute("aria-labelledby")
    || one.title || one.textContent.trim() || one.type === "submit"))
  .map(one => one.outerHTML.slice(0, 120))"""


def waiting_copy(instance: Instance, to: str) -> None:
    """Queue a letter that can't leave, and wait until it was tried."""
    letter = f"From: Alice <alice@mailweb.test>\r\nTo: {to}\r\nSubject: Late\r\n\r\nHello.\r\n"
    options = ("--from", "alice@mailweb.test", "--to", to)
    instance.manage("send", *options, "-", standard_input=letter.encode())
    tried = ("queue", "list", "--to-domain", to.partition("@")[2], "--state", "waiting")
    assert eventually(lambda: to in instance.manage(*tried))


def test_an_order_is_given_by_keyboard_alone(
    visit: Callable[..., Page], instance: Instance
) -> None:
    waiting_copy(instance, "desk@bogus.test")
    page = visit("admin")
    page.goto("/admin/delivery/recipient/?to=bogus.test")
    page.locator("#action-toggle").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Go")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.locator("[name=action]")).to_be_focused()
    page.keyboard.type("Hold")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hold", exact=True)).to_be_visible()
    page.get_by_label("Reason").focus()
    page.keyboard.type("Their postmaster asked for it")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Hold: 1 copy")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("Hold: 1 copy.")
    expect(page.locator(".results")).to_contain_text("Their postmaster asked for it")


def test_lists_and_forms_fit_a_phone_and_name_every_control(visit: Callable[..., Page]) -> None:
    page = visit("admin", size=PHONE, has_touch=True, is_mobile=True)
    for path in PAGES:
        page.goto(f"/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        assert page.evaluate(NAMELESS) == [], path
