"""The outbox as its sender uses it: another time, back to the draft, now; and a failure answered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.test_composing import begin

if TYPE_CHECKING:
    from playwright.sync_api import Page


def write(page: Page, to: str, subject: str) -> None:
    """Write a message, ready to be sent."""
    body = begin(page)
    page.locator("#add-to").fill(to)
    page.locator("#add-to").press("Enter")
    page.get_by_label("Subject").fill(subject)
    body.fill("Hello.")


def schedule(page: Page) -> None:
    """Send it tomorrow."""
    page.get_by_role("button", name="Send later").click()
    page.get_by_role("button", name="Tomorrow at 08:00").click()


def test_a_message_is_scheduled_moved_edited_and_sent_at_once(alice_page: Page):
    write(alice_page, "friend@dane.test", "Programme")
    schedule(alice_page)
    alice_page.wait_for_url("**/mail/outbox/")
    item = alice_page.locator(".item", has_text="Programme")
    expect(item).to_contain_text("tomorrow 08:00")

    item.get_by_role("link", name="Change time").click()
    expect(alice_page.get_by_role("heading", name="Change time")).to_be_visible()
    alice_page.get_by_role("button", name="In one hour").click()
    expect(alice_page.locator("#outbox-copies")).not_to_contain_text("tomorrow 08:00")

    alice_page.get_by_text("Change this copy").click()
    alice_page.get_by_role("group", name="How this copy is sent").get_by_role(
        "button", name=re.compile("^Verified")
    ).click()
    expect(alice_page.locator("#outbox-copies")).to_contain_text("with Verified")

    alice_page.get_by_role("button", name="Edit", exact=True).click()
    alice_page.wait_for_url("**/mail/compose/**")
    expect(alice_page.get_by_label("Subject")).to_have_value("Programme")
    schedule(alice_page)
    alice_page.wait_for_url("**/mail/outbox/")
    item.get_by_role("button", name="Send now").click()
    expect(item).to_have_count(0)


def test_a_failure_is_answered_from_its_card(alice_page: Page):
    write(alice_page, "friend@full.test", "Invoice")
    schedule(alice_page)
    alice_page.wait_for_url("**/mail/outbox/")
    item = alice_page.locator(".item", has_text="Invoice")
    item.get_by_role("button", name="Send now").click()
    expect(item).to_contain_text("Failed")
    expect(item).to_contain_text("mx.full.test: 552 5.2.2 The mailbox is full")

    alice_page.goto("/mail/inbox/")
    card = alice_page.locator(".row--card", has_text="friend@full.test")
    card.get_by_role("link", name="Not delivered").click()
    delivery = alice_page.locator("#delivery")
    expect(delivery).to_contain_text("What you can do")
    delivery.get_by_role("button", name="Another address").focus()
    alice_page.keyboard.press("Enter")
    alice_page.wait_for_url("**/mail/compose/**")
    expect(alice_page.get_by_label("Subject")).to_have_value("Invoice")
    alice_page.goto("/mail/outbox/")
    alice_page.wait_for_load_state("networkidle")  # an open page renews itself once it listens
    item.get_by_role("button", name="Put away").click()
    expect(item).to_have_count(0)


RENEW = """() => new Promise(done => {
  document.body.addEventListener("htmx:afterOnLoad", done, { once: true });
  document.body.dispatchEvent(new CustomEvent("delivery-changed", { detail: {} }));
})"""


def test_a_click_is_not_lost_when_the_list_renews_itself_between_press_and_release(
    alice_page: Page,
):
    write(alice_page, "friend@dane.test", "Harvest")
    schedule(alice_page)
    alice_page.wait_for_url("**/mail/outbox/")
    alice_page.wait_for_load_state("networkidle")
    item = alice_page.locator(".item", has_text="Harvest")
    item.get_by_role("link", name="Change time").hover()
    alice_page.mouse.down()
    alice_page.evaluate(RENEW)
    with alice_page.expect_request("**/mail/outbox/"):  # what was left out is asked for again
        alice_page.mouse.up()
    expect(alice_page.get_by_role("heading", name="Change time")).to_be_visible()
