"""Walks docs/howto/one-domain-is-down.md in a browser and at a shell, and takes its pictures."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from delivery.lab.behaviour import Answer, Host, Profile, Smtp
from delivery.lab.profiles.pieces import ORDINARY
from tests.browser.conftest import cookies_of
from tests.browser.pictures import shrink
from tests.fakes.relay import Relay
from tests.instance import CHECKOUT, Instance, running
from tests.labs import running_lab
from tests.services import chromium
from tests.threads import serving
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PICTURES = CHECKOUT / "docs" / "howto" / "one-domain-is-down"
COPIES, AT_ONCE = 800, 100
MINUTE_MS = 60_000
SETTINGS = {"DEMO": "1", "SENDING_RECIPIENTS_PER_DAY": "0", "SENDING_NEW_RECIPIENTS_PER_DAY": "0"}


class Town:
    """busy.test, whose server is down until it is mended, and a provider whose smarthost is up."""

    def __init__(self) -> None:
        self._answers = {"": Answer(line="421 4.3.2 Too busy, come back later", closes=True)}
        busy = Host(smtp=Smtp(answers=self._answers))
        self.profiles = (
            Profile(name="busy", description="Down.", records=ORDINARY, hosts=(busy,)),
            Profile(
                name="provider",
                description="Has the smarthost.",
                records=("smtp A 127.0.0.1",),
                hosts=(),
            ),
        )

    def mend(self) -> None:
        """Let busy.test take mail again."""
        self._answers.clear()


class Walk:
    """Someone in front of a browser and a shell."""

    def __init__(self, instance: Instance, page: Page) -> None:
        self.instance, self.page = instance, page

    def shell(self, *words: str, letter: bytes = b"") -> str:
        """Run a command, and show it with what it prints."""
        said = self.instance.manage(*words, standard_input=letter)
        sys.stdout.write(f"$ manage.py {' '.join(words)[:120]}\n{said[:1500]}\n")
        return said

    def write(self, subject: str) -> None:
        """Send a message to each guest."""
        letter = f"From: Bob <bob@mailweb.test>\r\nSubject: {subject}\r\n\r\nSee you there.\r\n"
        for start in range(0, COPIES, AT_ONCE):
            guests = [f"guest{n:03}@busy.test" for n in range(start, start + AT_ONCE)]
            to = [word for guest in guests for word in ("--to", guest)]
            self.instance.manage(
                "send", "--from", "bob@mailweb.test", *to, "-", standard_input=letter.encode()
            )

    def waits(self, what: str) -> None:
        """Wait until the queue's statistics say so."""
        eventually(lambda: what in self.instance.manage("queue", "stats"), seconds=300)

    def take(self, name: str) -> None:
        """Take a picture of what is on the screen."""
        path = PICTURES / f"{name}.png"
        self.page.wait_for_load_state("networkidle")
        self.page.screenshot(path=path, animations="disabled")
        sys.stdout.write(f"{path.relative_to(CHECKOUT)}: {shrink(path):,} bytes\n")

    def order(self, filters: str, action: str) -> None:
        """Filter the queue, select all that match, and ask for an order."""
        self.page.goto(f"/admin/delivery/recipient/?{filters}")
        self.page.locator("#action-toggle").check()
        self.page.get_by_role("button", name="Select all").click()
        self.page.get_by_label("Action:").select_option(label=action)


def rerouting(walk: Walk, port: int) -> None:
    """Walk the first five steps: what is down, the way out, one, all, and what comes in."""
    walk.waits(f"busy.test  {COPIES}")
    walk.page.goto("/admin/")
    walk.take("first-page")
    walk.shell("queue", "stats")
    walk.shell("queue", "list", "--to-domain", "busy.test", "--limit", "5")
    walk.shell("attempts", "--domain", "busy.test", "--limit", "3")
    smarthost = ("--kind", "relay", "--tls", "may", "--host", "smtp.provider.test")
    walk.shell("transport", "add", "smarthost", *smarthost, "--port", str(port))
    walk.shell("transport", "test", "smarthost")
    to_busy = ("--to-domain", "busy.test")
    walk.shell("queue", "transport", "smarthost", *to_busy, "--dry-run")
    one = ("--limit", "1", "--now", "--reason", "one to try")
    walk.shell("queue", "transport", "smarthost", *to_busy, *one)
    walk.waits(f"busy.test  {COPIES - 1}")
    walk.shell("attempts", "--domain", "busy.test", "--limit", "1")
    walk.order("to=busy.test", "Set the transport")
    walk.take("queue")
    walk.page.get_by_role("button", name="Go").click()
    walk.page.get_by_label("Transport").select_option(label="smarthost")
    walk.page.get_by_label("Reason").fill("busy.test is down")
    walk.take("asked")
    walk.page.get_by_role("button", name="Set the transport").click()
    walk.shell("route", "add", "smarthost", "--to", "busy.test")
    walk.shell("route", "explain", "bob@mailweb.test", "guest@busy.test")
    eventually(lambda: "Nothing" in walk.shell("queue", "list", *to_busy), seconds=300)
    walk.page.goto("/admin/delivery/recipient/?state=delivered&q=guest799")
    walk.page.get_by_role("link", name="guest799@busy.test").click()
    walk.take("copy")


def undoing(walk: Walk, town: Town) -> None:
    """Walk the sixth step: 800 copies wait for the smarthost, and busy.test is back."""
    walk.shell("transport", "pause", "smarthost", "--reason", "452 4.5.3 Enough for today")
    walk.write("Programme, second part")
    walk.waits(f"busy.test  {COPIES}")
    walk.shell("queue", "transport", "smarthost", "--to-domain", "busy.test")
    town.mend()
    walk.page.goto("/admin/")
    walk.take("paused")
    walk.shell("security", "busy.test", "--account", "bob@mailweb.test", "--probe")
    walk.shell("route", "list")
    walk.shell("route", "remove", "1")
    walk.order("transport=smarthost", "Set the transport")
    walk.take("undo-queue")
    walk.page.get_by_role("button", name="Go").click()
    walk.page.get_by_label("Reason").fill("busy.test is back")
    walk.take("undo-asked")
    walk.page.get_by_role("button", name="Set the transport").click()
    eventually(lambda: "Nothing" in walk.shell("queue", "list"), seconds=300)
    walk.page.goto("/admin/delivery/recipient/?state=delivered&to=busy.test&o=-9")
    walk.take("undone")
    walk.page.goto("/admin/accounts/auditentry/")
    walk.take("log")


@contextmanager
def operator(browser: Browser, instance: Instance) -> Iterator[Page]:
    """Give an operator a screen."""
    context = browser.new_context(
        base_url=instance.url,
        viewport={"width": 1200, "height": 720},
        locale="en-GB",
        timezone_id="UTC",
        storage_state=cookies_of("admin", browser, instance),
    )
    context.set_default_timeout(MINUTE_MS)
    yield context.new_page()
    context.close()


def main() -> None:
    """Start everything, walk, and stop it."""
    town = Town()
    with (
        tempfile.TemporaryDirectory() as data,
        running_lab(*town.profiles) as lab,
        serving(Relay(mechanisms=())) as relay,
        running(Path(data), **lab.environment, **SETTINGS) as instance,
        sync_playwright() as playwright,
    ):
        eventually(instance.is_ready)
        instance.told = instance.manage("create_demo")
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with operator(browser, instance) as page:
            walk = Walk(instance, page)
            walk.write("Programme")
            rerouting(walk, relay.port)
            undoing(walk, town)
        browser.close()


if __name__ == "__main__":
    main()
