"""The parts that every page is made of: cards, menus, folds, toasts, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

DANE = "#ledger-harbour\\.test-dane"
RENEW = """row => htmx.swap(row, row.outerHTML, {swapStyle: "outerHTML"})"""


@pytest.fixture
def parts(alice_page: Page) -> Page:
    alice_page.goto("/parts/")
    return alice_page


def open_dane(page: Page) -> None:
    page.locator(f"{DANE}-button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(DANE)).to_be_visible()


def test_card_behind_a_bar_opens_by_enter_and_gives_the_focus_back(parts: Page) -> None:
    open_dane(parts)
    expect(parts.locator(DANE)).to_contain_text("does not match the published record")
    parts.keyboard.press("Escape")
    expect(parts.locator(DANE)).to_be_hidden()
    expect(parts.locator(f"{DANE}-button")).to_be_focused()


def test_card_stays_open_when_its_row_is_renewed(parts: Page) -> None:
    open_dane(parts)
    parts.locator("#ledger-harbour\\.test").evaluate(RENEW)
    expect(parts.locator(DANE)).to_be_visible()
    parts.keyboard.press("Escape")
    expect(parts.locator(DANE)).to_be_hidden()
    expect(parts.locator(f"{DANE}-button")).to_be_focused()


def test_card_that_was_closed_stays_closed_when_its_row_is_renewed(parts: Page) -> None:
    open_dane(parts)
    parts.keyboard.press("Escape")
    parts.locator("#ledger-harbour\\.test").evaluate(RENEW)
    expect(parts.locator(f"{DANE}-button")).to_be_visible()
    expect(parts.locator(DANE)).to_be_hidden()


def test_cards_and_menus_work_without_script(visit: Callable[..., Page]) -> None:
    page = visit("alice", java_script_enabled=False)
    page.goto("/parts/")
    page.locator(f"{DANE}-button").click()
    expect(page.locator(DANE)).to_be_visible()


def test_menu_is_walked_with_arrows(parts: Page) -> None:
    parts.get_by_role("button", name="More", exact=True).click()
    menu = parts.locator("#parts-menu")
    expect(menu.get_by_role("link", name="Reply")).to_be_focused()
    parts.keyboard.press("ArrowDown")
    expect(menu.get_by_role("link", name="Forward")).to_be_focused()
    parts.keyboard.press("End")
    expect(menu.get_by_role("button", name="Delete for ever")).to_be_focused()
    parts.keyboard.press("Escape")
    expect(menu).to_be_hidden()


def test_dark_is_kept_for_this_device(parts: Page) -> None:
    parts.get_by_label("Light or dark").select_option("dark")
    desk = "getComputedStyle(document.body).backgroundColor"
    assert parts.evaluate(desk) == "rgb(17, 19, 22)"
    parts.reload()
    assert parts.evaluate(desk) == "rgb(17, 19, 22)"
    expect(parts.get_by_label("Light or dark")).to_have_value("dark")
    parts.get_by_label("Light or dark").select_option("system")
    assert parts.evaluate(desk) == "rgb(246, 245, 241)"


def test_folded_row_on_a_phone_opens_and_stays_open_when_renewed(alice_phone: Page) -> None:
    alice_phone.goto("/parts/")
    row = alice_phone.locator("#ledger-plain\\.test")
    fact = row.get_by_role("button", name="MTA-STS, No policy, looked up, just now")
    expect(fact).to_be_hidden()
    row.locator(".ledger-turn").click()
    expect(fact).to_be_visible()
    row.evaluate(RENEW)
    expect(fact).to_be_visible()


def test_last_tab_of_a_phone_opens_all_places(alice_phone: Page) -> None:
    alice_phone.get_by_role("button", name="More", exact=True).click()
    alice_phone.get_by_role("link", name="Archive").click()
    expect(alice_phone).to_have_title("Archive · Mailweb")


def test_check_now_answers_with_a_toast_and_leaves_the_page(parts: Page) -> None:
    parts.locator("#ledger-brand-new\\.test").get_by_role("button", name="Check now").first.click()
    toast = parts.locator("#toasts .toast")
    expect(toast).to_contain_text("brand-new.test")
    assert parts.url.endswith("/parts/")
    toast.get_by_role("button", name="Close").click()
    expect(toast).to_have_count(0)


def test_skip_link_is_first_and_leads_to_the_content(parts: Page) -> None:
    parts.keyboard.press("Tab")
    expect(parts.get_by_role("link", name="Skip to content")).to_be_focused()
    parts.keyboard.press("Enter")
    expect(parts.locator("#main")).to_be_focused()


def test_nothing_moves_for_people_who_asked_for_it(visit: Callable[..., Page]) -> None:
    page = visit("alice", reduced_motion="reduce")
    page.goto("/parts/")
    core = page.locator("#tall-checking .bar-run")
    assert core.evaluate("core => getComputedStyle(core).animationName") == "none"


def test_no_and_yes_differ_under_forced_colours(visit: Callable[..., Page]) -> None:
    page = visit("alice", forced_colors="active")
    page.goto("/parts/")
    track = page.locator("#tall-no .bar-track")
    assert track.evaluate("track => getComputedStyle(track).display") == "none"
