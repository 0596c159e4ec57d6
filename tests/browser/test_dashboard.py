"""The dashboard and the settings, as people meet them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Watch

PATIENT = 20_000  # a check goes through the queue and a worker
CHECK = """domain => fetch("/security/check/", {
  method: "POST",
  headers: {"X-CSRFToken": document.cookie.match(/csrftoken=([^;]+)/)[1]},
  body: new URLSearchParams({domain}),
})"""


def seen_domains(page: Page) -> set[str]:
    document = page.request.get("/security/export.json").json()
    return {row["domain"] for row in document["domains"] if row["last_seen"]}


def test_a_check_fills_the_open_page_by_itself(alice_page: Page) -> None:
    alice_page.goto("/settings/")
    alice_page.evaluate(CHECK, "requiretls-sts.test")
    alice_page.goto("/security/requiretls-sts.test/")
    heading = alice_page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("proved who it is and announced REQUIRETLS", timeout=PATIENT)
    sessions = alice_page.get_by_text("Checked, nothing was sent")
    before = sessions.count()
    alice_page.get_by_text("Transcript").first.click()
    alice_page.get_by_role("button", name="Check now").click()
    expect(alice_page.get_by_text("Asking the servers of requiretls-sts.test.")).to_be_visible()
    expect(sessions).to_have_count(before + 1, timeout=PATIENT)
    expect(alice_page.locator("details[open]")).to_have_count(1)


def test_domains_are_found_while_typing_and_the_back_button_knows(alice_page: Page) -> None:
    alice_page.goto("/settings/")
    for domain in ("sts.test", "pkix.test"):
        alice_page.evaluate(CHECK, domain)
    assert eventually(lambda: {"sts.test", "pkix.test"} <= seen_domains(alice_page))
    alice_page.goto("/security/")
    table = alice_page.locator("#domains")
    expect(table.get_by_role("link", name="sts.test", exact=True)).to_be_visible()
    alice_page.get_by_label("Search domains").fill("pkix")
    expect(table.get_by_role("link", name="sts.test", exact=True)).to_have_count(0)
    expect(table.get_by_role("link", name="pkix.test", exact=True)).to_be_visible()
    expect(alice_page.get_by_label("Search domains")).to_be_focused()
    alice_page.go_back()
    expect(table.get_by_role("link", name="sts.test", exact=True)).to_be_visible()


def test_rules_for_sending_are_refused_and_saved_without_javascript(
    visit: Callable[..., Page], watch: Watch
) -> None:
    watch.expect("422")
    page = visit("alice", java_script_enabled=False)
    page.goto("/settings/sending/")
    page.get_by_label("Seconds to undo").fill("99")
    page.get_by_role("button", name="Save rules").click()
    expect(page.get_by_text("Enter 0 to 60 seconds.")).to_be_visible()
    page.get_by_label("Seconds to undo").fill("10")
    page.get_by_role("button", name="Save rules").click()
    expect(page.get_by_text("Rules for sending saved.")).to_be_visible()
