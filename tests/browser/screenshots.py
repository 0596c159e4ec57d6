"""Takes the pictures of the README from a private demo: `make screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from tests.browser.conftest import DESKTOP, cookies_of
from tests.instance import CHECKOUT, Instance, running
from tests.services import chromium
from tests.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURES = CHECKOUT / "docs" / "screenshots"
LETTERS = (
    ("requiretls", "default", "Rooms for Thursday"),
    ("dane", "default", "Keys for the new office"),
    ("sts", "default", "Minutes of the meeting"),
    ("starttls", "default", "Invoice 2026-117"),
    ("plain", "default", "Opening hours"),
    ("dane-mismatch", "default", "The lease, for your signature"),
    ("dane", "verified", "Re: Keys for the new office"),
    ("requiretls", "requiretls", "The draft for Thursday"),
)
TEXT = """\
Hello,

the draft is ready. Please read it before Thursday, and keep it to yourself until then.

Alice
"""


def send_letters(instance: Instance) -> None:
    """Give alice a past, so that there is something to see."""
    for profile, mode, subject in LETTERS:
        to = f"friend@{profile}.test"
        header = f"From: Alice <alice@mailweb.test>\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n"
        letter = header + TEXT.replace("\n", "\r\n")
        options = ("--from", "alice@mailweb.test", "--to", to, "--tls", mode)
        instance.manage("send", *options, "-", standard_input=letter.encode())


def take(page: Page, name: str) -> None:
    """Take one picture once nothing moves any more."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
    print(f"docs/screenshots/{name}.png")


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
    take(page, "compose")


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
        context = browser.new_context(
            base_url=instance.url,
            viewport=DESKTOP,
            locale="en-GB",
            storage_state=cookies_of("alice", browser, instance),
        )
        take_all(context.new_page())
        browser.close()


if __name__ == "__main__":
    main()
