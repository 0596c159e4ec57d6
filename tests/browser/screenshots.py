"""Takes the pictures of the README from a private demo: `make screenshots`."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from tests.browser.conftest import DESKTOP, PHONE, cookies_of
from tests.browser.pictures import shrink
from tests.instance import CHECKOUT, Instance, running
from tests.services import chromium
from tests.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURES = CHECKOUT / "docs" / "screenshots"
LETTERS = (
    ("friend@requiretls.test", "default", "Rooms for Thursday"),
    ("friend@dane.test", "default", "Keys for the new office"),
    ("friend@sts.test", "default", "Minutes of the meeting"),
    ("friend@starttls.test", "default", "Invoice 2026-117"),
    ("friend@plain.test", "default", "Opening hours"),
    ("friend@dane-mismatch.test", "default", "The lease, for your signature"),
    ("later@greylist.test", "default", "Roof estimate"),
    ("friend@requiretls-nopolicy.test", "requiretls", "Photographs of the cellar"),
    ("friend@dane.test", "verified", "Re: Keys for the new office"),
    ("friend@requiretls.test", "requiretls", "The draft for Thursday"),
)
BIRTHDAY = "friend@dane.test", "Happy birthday"
TEXT = """\
Hello,

the draft is ready. Please read it before Thursday, and keep it to yourself until then.

Alice
"""


def send_letters(instance: Instance) -> None:
    """Give alice a past, so that there is something to see, and something to come."""
    for to, mode, subject in LETTERS:
        send(instance, to, subject, "--tls", mode)
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    send(instance, *BIRTHDAY, "--at", f"{in_two_days:%Y-%m-%dT08:00:00Z}")


def send(instance: Instance, to: str, subject: str, *options: str) -> None:
    """Hand over one letter of alice's."""
    header = f"From: Alice <alice@mailweb.test>\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n"
    letter = header + TEXT.replace("\n", "\r\n")
    who = ("--from", "alice@mailweb.test", "--to", to)
    instance.manage("send", *who, *options, "-", standard_input=letter.encode())


def take(page: Page, name: str) -> None:
    """Take one picture once nothing moves any more."""
    page.wait_for_load_state("networkidle")
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    print(f"docs/screenshots/{name}.png: {shrink(path):,} bytes")


def take_all(page: Page) -> None:
    """Walk through what the README shows."""
    page.goto("/mail/sent/")
    page.get_by_role("link", name="The draft for Thursday").click()
    page.get_by_text("Delivered", exact=True).first.wait_for()
    take(page, "receipt")
    page.goto("/security/")
    take(page, "security")
    page.goto("/security/dane-mismatch.test/")
    take(page, "domain")
    page.goto("/mail/outbox/")
    take(page, "outbox")
    page.goto("/mail/compose/?to=friend@requiretls.test,desk@dane-mismatch.test,post@plain.test")
    page.get_by_label("Subject").fill("The programme for Saturday")
    page.get_by_role("textbox", name="Message").fill(TEXT)
    page.get_by_text("Draft saved").wait_for()
    page.get_by_label("Subject").focus()
    take(page, "compose")


def take_phone(page: Page, draft: str) -> None:
    """Show the same draft on a phone, in the dark."""
    page.goto(draft)
    take(page, "phone")


def main() -> None:
    """Start a demo, fill it, and take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        running(Path(data), "--demo") as instance,
        sync_playwright() as playwright,
    ):
        eventually(instance.is_ready)
        send_letters(instance)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        cookies = cookies_of("alice", browser, instance)
        known = {"base_url": instance.url, "locale": "en-GB", "storage_state": cookies}
        page = browser.new_context(viewport=DESKTOP, **known).new_page()
        take_all(page)
        phone = browser.new_context(viewport=PHONE, color_scheme="dark", has_touch=True, **known)
        take_phone(phone.new_page(), page.url)
        browser.close()


if __name__ == "__main__":
    main()
