"""Reading mail in a browser: beside the list, live, in a frame, on a phone, without JavaScript."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.webmail.letters import html_letter, letter

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import APIResponse, Page, Route

    from tests.browser.conftest import Watch

    Post = Callable[[bytes], None]


def test_new_letter_appears_by_itself_and_opens_beside_the_list(
    alice_page: Page, post: Post
) -> None:
    count = alice_page.locator("#nav-count-inbox")
    before = int(count.inner_text())
    post(letter("The pump is repaired.", subject="Garden pump"))
    row = alice_page.get_by_role("link", name="Garden pump")
    expect(row).to_be_visible()
    expect(count).to_have_text(str(before + 1))
    row.click()
    expect(alice_page.get_by_role("heading", name="Garden pump")).to_be_visible()
    expect(row).to_be_visible()
    expect(row).to_have_attribute("aria-current", "true")
    expect(alice_page).to_have_url(re.compile(r"/mail/inbox/\?open="))
    expect(count).to_have_text(str(before))
    alice_page.reload()
    expect(alice_page.get_by_role("heading", name="Garden pump")).to_be_visible()


def test_what_arrives_while_the_list_is_asked_for_is_not_missed(
    alice_page: Page, post: Post
) -> None:
    expect(alice_page.locator("body")).to_have_attribute("data-live", "on")
    alice_page.wait_for_load_state("networkidle")
    held: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    alice_page.route("**/mail/inbox/", hold_the_first)
    alice_page.evaluate("document.body.dispatchEvent(new Event('resync'))")
    while not held:
        alice_page.wait_for_timeout(50)
    alice_page.evaluate(
        "window.told = new Promise((tell) =>"
        " document.body.addEventListener('mailbox-changed', tell, { once: true })); null"
    )
    post(letter("Tuesday.", subject="Ladder hire"))
    alice_page.evaluate("window.told.then(() => null)")
    route, answer = held[0]
    route.fulfill(response=answer)  # the list as it was before
    expect(alice_page.get_by_role("link", name="Ladder hire")).to_be_visible()


def test_what_is_chosen_stays_chosen_when_something_arrives(alice_page: Page, post: Post) -> None:
    tick = alice_page.locator(".row-tick").first
    tick.check(force=True)
    expect(alice_page.get_by_text("1 chosen")).to_be_visible()
    post(letter("Nine.", subject="Walk on Sunday"))
    expect(alice_page.get_by_role("link", name="Walk on Sunday")).to_be_visible()
    expect(alice_page.get_by_text("1 chosen")).to_be_visible()


def test_moved_letter_can_be_brought_back(alice_page: Page, post: Post) -> None:
    post(letter("Please file.", subject="Deed copies"))
    alice_page.get_by_role("link", name="Deed copies").click()
    alice_page.locator("#reader").get_by_role("button", name="Archive", exact=True).click()
    expect(alice_page.get_by_text("One message moved to Archive.")).to_be_visible()
    expect(alice_page.get_by_role("link", name="Deed copies")).to_have_count(0)
    alice_page.get_by_role("button", name="Undo").click()
    expect(alice_page.get_by_role("link", name="Deed copies")).to_be_visible()


def test_html_letter_can_neither_act_nor_ask_anybody(
    alice_page: Page, post: Post, watch: Watch
) -> None:
    post(html_letter())
    alice_page.get_by_role("link", name="Key list").first.click()
    frame = alice_page.frame_locator("[data-letter-frame]")
    expect(frame.get_by_text("Dear Alice")).to_be_visible()
    expect(frame.locator("script")).to_have_count(0)
    height = alice_page.locator("[data-letter-frame]").evaluate("frame => frame.clientHeight")
    inside = frame.locator("html").evaluate("root => root.scrollHeight")
    assert height >= inside
    # `watch` fails the test for any request to another host.
    assert watch.troubles == []
    alice_page.get_by_role("button", name="More", exact=True).click()
    alice_page.get_by_role("link", name="Show as plain text").click()
    expect(alice_page.locator("[data-letter-frame]")).to_have_count(0)
    expect(alice_page.locator("#reader").get_by_text("Dear Alice")).to_be_visible()


def test_phone_shows_one_pane_at_a_time(alice_phone: Page, post: Post) -> None:
    post(letter("At ten.", subject="Roof estimate"))
    row = alice_phone.get_by_role("link", name="Roof estimate")
    row.tap()
    expect(alice_phone.get_by_role("heading", name="Roof estimate")).to_be_visible()
    expect(row).to_be_hidden()
    alice_phone.get_by_role("link", name="Back to Inbox").tap()
    expect(row).to_be_visible()


def test_everything_works_without_javascript(
    visit: Callable[..., Page], alice_page: Page, post: Post
) -> None:
    post(letter("Blue folder.", subject="Printer manual"))
    expect(alice_page.get_by_role("link", name="Printer manual")).to_be_visible()
    page = visit("alice", java_script_enabled=False)
    page.get_by_role("link", name="Printer manual").click()
    expect(page.get_by_role("heading", name="Printer manual")).to_be_visible()
    page.get_by_label("Choose: Printer manual").check(force=True)
    page.get_by_role("button", name="Move to trash", exact=True).first.click()
    expect(page.get_by_text("moved to Trash.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Printer manual")).to_be_visible()


def test_search_finds_while_it_is_typed(alice_page: Page, post: Post) -> None:
    post(letter("Eleven packets.", subject="Winter order"))
    expect(alice_page.get_by_role("link", name="Winter order")).to_be_visible()
    alice_page.goto("/mail/search/")
    alice_page.get_by_label("Search in your mail").fill("packets")
    expect(alice_page.get_by_role("link", name="Winter order")).to_be_visible()
    expect(alice_page).to_have_url(re.compile(r"\?q=packets"))
