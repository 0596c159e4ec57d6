"""Writing with scripts: nothing typed is lost, chips by keyboard, Undo brings everything back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page, Route

    from tests.browser.conftest import Watch

SAVED = re.compile(r"Draft saved \d\d:\d\d")


def begin(page: Page) -> Locator:
    """Open a new message; return the field of its text."""
    page.get_by_role("link", name="Compose").first.click()
    return page.get_by_label("Message", exact=True)


def names(page: Page) -> list[str]:
    """Who stands in the line To."""
    return page.locator("[data-line=to] .chip-name").all_inner_texts()


def test_what_is_typed_without_a_connection_is_kept_and_saved_later(alice_page: Page, watch: Watch):
    watch.expect("ERR_INTERNET_DISCONNECTED|WebSocket|htmx:(afterRequest|sendError)")
    body = begin(alice_page)
    body.fill("First line.")
    expect(alice_page.locator("#save-state")).to_have_text(SAVED)
    alice_page.context.set_offline(True)
    body.press_sequentially(" Second line.")
    expect(alice_page.locator("#save-state")).to_contain_text("Not saved yet: no connection.")
    alice_page.get_by_role("button", name="Send", exact=True).click()
    expect(alice_page.locator("#save-state")).to_contain_text("Not sent: no connection.")
    expect(body).to_have_value("First line. Second line.")
    alice_page.context.set_offline(False)
    expect(alice_page.locator("#save-state")).to_have_text(SAVED)
    alice_page.reload()
    expect(body).to_have_value("First line. Second line.")


def test_what_is_typed_before_the_scripts_are_there_counts(alice_page: Page):
    kept_back: list[Route] = []

    def keep_back(route: Route) -> None:
        kept_back.append(route)

    alice_page.route(re.compile(r"/compose-chips\b[^/]*\.js"), keep_back)
    body = begin(alice_page)
    alice_page.locator("#add-to").press_sequentially("friend@pkix.test,")
    alice_page.get_by_label("Subject").fill("Early")
    body.fill("Typed at once.")
    assert names(alice_page) == []
    for route in kept_back:
        route.continue_()
    alice_page.unroute_all()
    expect(alice_page.locator("[data-line=to] .chip-name")).to_have_text("friend@pkix.test")
    expect(alice_page.locator(".ledger-row", has_text="pkix.test")).to_be_visible()
    expect(alice_page.locator("#save-state")).to_have_text(SAVED)
    alice_page.reload()
    assert names(alice_page) == ["friend@pkix.test"]


def test_a_second_tab_is_noticed_before_it_overwrites(visit: Callable[..., Page], watch: Watch):
    watch.expect("409")
    first = visit("alice")
    body = begin(first)
    body.fill("One.")
    expect(first.locator("#save-state")).to_have_text(SAVED)
    second = first.context.new_page()
    second.goto(first.url)
    second.get_by_label("Message", exact=True).fill("Two.")
    expect(second.locator("#save-state")).to_have_attribute("data-saved", "2")
    body.fill("Mine.")
    first.get_by_role("button", name="Keep what stands here").click()
    expect(first.locator("#save-state")).to_have_text(SAVED)
    second.reload()
    expect(second.get_by_label("Message", exact=True)).to_have_value("Mine.")


def test_recipients_are_added_moved_among_and_removed_by_keyboard(alice_page: Page):
    begin(alice_page)
    field = alice_page.locator("#add-to")
    field.press_sequentially('a@plain.test,"Office, X" <b@plain.test>;c@plain.test')
    field.press("Enter")
    expect(alice_page.locator("[data-line=to] .chip .bars")).to_have_count(3)
    assert names(alice_page) == ["a@plain.test", "Office, X", "c@plain.test"]
    expect(alice_page.locator(".ledger-row")).to_have_count(1)
    field.press("ArrowLeft")
    alice_page.keyboard.press("ArrowLeft")
    expect(alice_page.get_by_role("button", name="Remove Office, X")).to_be_focused()
    alice_page.keyboard.press("Delete")
    expect(alice_page.get_by_role("button", name="Remove c@plain.test")).to_be_focused()
    alice_page.keyboard.press("ArrowRight")
    field.press("Backspace")
    expect(alice_page.locator("[data-line=to] .chip")).to_have_count(1)
    expect(field).to_be_focused()


def test_a_wrong_address_is_said_at_once_and_can_be_corrected(alice_page: Page):
    begin(alice_page)
    alice_page.locator("#add-to").fill("bob@x")
    alice_page.keyboard.press("Enter")
    error = alice_page.locator("#to-error").get_by_text("“x” is not a complete domain")
    expect(error).to_be_visible()
    alice_page.get_by_role("button", name="Remove bob@x").click()
    expect(error).to_be_hidden()


def test_undo_brings_back_text_people_and_files(alice_page: Page):
    begin(alice_page).fill("Dear Bob")
    alice_page.locator("#add-to").fill("bob@mailweb.test")
    alice_page.keyboard.press("Enter")
    expect(alice_page.locator(".get-word")).to_have_text("Stays on this server")
    alice_page.locator("#files").set_input_files(
        {"name": "lease.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"}
    )
    expect(alice_page.locator(".write-name")).to_have_text("lease.pdf")
    alice_page.get_by_role("button", name="Send", exact=True).click()
    alice_page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(alice_page.get_by_text("Taken back. Nothing was sent.")).to_be_visible()
    expect(alice_page.get_by_label("Message", exact=True)).to_have_value("Dear Bob")
    expect(alice_page.locator(".write-name")).to_have_text("lease.pdf")
    assert names(alice_page) == ["bob@mailweb.test"]


def test_writing_and_sending_need_no_scripts(visit: Callable[..., Page]):
    page = visit("alice", java_script_enabled=False)
    begin(page).fill("Plain as paper.")
    page.locator("#add-to").fill("bob@mailweb.test, post@plain.test")
    page.get_by_role("button", name="Check recipients").last.click()
    expect(page.locator("[data-line=to] .chip")).to_have_count(2)
    expect(page.get_by_label("Message", exact=True)).to_have_value("Plain as paper.")
    page.get_by_role("button", name="Remove post@plain.test").click()
    expect(page.locator("[data-line=to] .chip")).to_have_count(1)
    page.locator(".mode-opt").filter(has_text="Verified").first.click()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Sending to 1 person in 10 seconds.")).to_be_visible()
