"""The main job, as a person does it: write, see the bars, send, find the proof."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from delivery.lab.mailbox import read_directory
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from delivery.lab.mailbox import Accepted
    from tests.instance import Instance

LEAVES_WITHIN_MS = 30_000


def bar(page: Page, domain: str, says: str) -> Locator:
    """The bar in the row of `domain` whose name starts with `says`: "DANE, Matches"."""
    row = page.locator(".ledger-row").filter(has_text=domain)
    return row.get_by_role("button", name=re.compile(f"^{says}"))


def write(page: Page, to: str, subject: str) -> None:
    """Start a message to somebody, as one types it."""
    page.get_by_role("link", name="Compose").first.click()
    page.locator("#add-to").click()
    page.keyboard.type(f"{to},")
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Message", exact=True).fill("Hello,\n\nthis is for you.\n\nAlice")


def send(page: Page) -> None:
    """Press Send, and see that it can be undone."""
    page.get_by_role("button", name="Send", exact=True).first.click()
    expect(page.get_by_role("button", name="Undo").first).to_be_visible()


def accepted(instance: Instance, subject: str) -> Accepted:
    """What the lab's server took under this subject."""

    def found() -> list[Accepted]:
        mails = read_directory(instance.data / "lab")
        return [one for one in mails if f"Subject: {subject}".encode() in one.content]

    eventually(lambda: bool(found()))
    return found()[0]


def test_first_message_is_written_watched_sent_and_proved(
    alice_page: Page, instance: Instance
) -> None:
    page = alice_page
    write(page, "friend@requiretls.test", "The first message")
    for says in ("STARTTLS, Unknown", "MTA-STS, No policy", "DNSSEC, Signed", "DANE, Matches"):
        expect(bar(page, "requiretls.test", says)).to_be_visible()
    expect(bar(page, "requiretls.test", "REQUIRETLS, Unknown")).to_be_visible()
    expect(page.locator(".why")).to_contain_text("nothing is known yet")
    send(page)
    page.goto("/mail/sent/")
    page.get_by_role("link", name=re.compile("The first message")).first.click()
    receipt = page.locator("#receipt")
    expect(receipt).to_contain_text("Delivered", timeout=LEAVES_WITHIN_MS)
    expect(receipt).to_contain_text("DANE-EE")
    expect(receipt).to_contain_text("mx.requiretls.test")
    page.goto("/security/requiretls.test/")
    expect(page.locator("main")).to_contain_text("Delivered “The first message” over verified TLS")
    assert accepted(instance, "The first message").tls is not None

    write(page, "friend@requiretls.test", "The second message")
    expect(page.get_by_role("radio", name="REQUIRETLS")).to_be_checked()
    expect(page.locator(".why")).to_contain_text("announced it and publishes DANE")
    send(page)
    page.goto("/mail/sent/")
    page.get_by_role("link", name=re.compile("The second message")).first.click()
    expect(page.locator("#receipt")).to_contain_text("Announced, used", timeout=LEAVES_WITHIN_MS)
    assert accepted(instance, "The second message").has_requiretls


def test_check_now_and_a_server_without_tls_are_told_plainly(
    alice_page: Page, instance: Instance
) -> None:
    page = alice_page
    write(page, "post@plain.test", "In the clear")
    page.get_by_role("button", name="Check now").first.click()
    starttls = bar(page, "plain.test", "STARTTLS, No, 0 of 1")
    expect(starttls).to_be_visible()
    expect(starttls.locator("svg.bar--no")).to_be_visible()
    expect(page.locator(".get")).to_contain_text("Anyone on the way could read this copy.")
    expect(page.get_by_text("It goes in plain text.").first).to_be_visible()
    send(page)
    page.goto("/mail/sent/")
    page.get_by_role("link", name=re.compile("In the clear")).first.click()
    receipt = page.locator("#receipt")
    expect(receipt).to_contain_text("It went in plain text.", timeout=LEAVES_WITHIN_MS)
    assert accepted(instance, "In the clear").tls is None


def test_open_pages_of_a_neighbour_show_new_mail_at_once(
    visit: Callable[..., Page],
) -> None:
    bob = visit("bob")
    alice = visit("alice")
    write(alice, "bob@mailweb.test", "Next door")
    expect(alice.locator(".get-word")).to_have_text("Stays on this server")
    send(alice)
    expect(bob.get_by_role("link", name=re.compile("Next door")).first).to_be_visible(
        timeout=LEAVES_WITHIN_MS
    )


def test_undo_gives_the_draft_back(alice_page: Page) -> None:
    page = alice_page
    write(page, "friend@pkix.test", "Too early")
    expect(bar(page, "pkix.test", "DNSSEC, ")).to_be_visible()
    send(page)
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_label("Subject")).to_have_value("Too early")
    expect(page.get_by_label("Message", exact=True)).to_have_value(re.compile("this is for you"))


def test_writing_and_sending_work_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit("alice", java_script_enabled=False)
    page.get_by_role("link", name="Compose").first.click()
    page.locator("#add-to").fill("friend@starttls.test")
    page.get_by_label("Subject").fill("Without scripts")
    page.get_by_label("Message", exact=True).fill("Hello.")
    page.get_by_role("radio", name="Verified Verified TLS").check()
    page.get_by_role("button", name="Send", exact=True).first.click()
    page.goto("/mail/sent/")
    expect(page.get_by_role("link", name=re.compile("Without scripts")).first).to_be_visible()
