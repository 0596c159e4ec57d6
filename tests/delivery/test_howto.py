"""The how-to about a domain that is down, walked by its own commands: it stays true."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import AuditEntry
from delivery.models import Recipient, Route, State, Transport
from tests.delivery.factories import queued
from tests.fakes.relay import Relay
from tests.house.tree import ROOT
from tests.threads import serving

pytestmark = pytest.mark.django_db
HOWTO = ROOT / "docs/howto/one-domain-is-down.md"
COPIES = 40


def commands() -> list[str]:
    """Return the commands of the how-to, in its order."""
    lines = HOWTO.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("manage.py ") for line in lines if line.startswith("manage.py ")]


class Walk:
    """Someone who follows the how-to, one command after the other."""

    def __init__(self) -> None:
        self.rest = iter(commands())

    def next(self, starts: str, **instead: str) -> str:
        """Run the next command, which begins as the test says; return what it prints."""
        command = next(self.rest)
        assert command.startswith(starts), command
        for word, real in instead.items():
            command = command.replace(word, real)
        out = io.StringIO()
        call_command(*shlex.split(command), stdout=out)
        return out.getvalue()


@pytest.fixture
def relay() -> Iterator[Relay]:
    with serving(Relay(mechanisms=())) as relay:
        yield relay


def states() -> set[str]:
    return set(Recipient.objects.values_list("state", flat=True))


def test_one_domain_is_down_and_back_again(alice, lab, drain, relay, tmp_path):
    queued(*[f"guest{n}@busy.test" for n in range(COPIES)], owner=alice, now=timezone.now())
    drain()
    assert states() == {State.WAITING}
    walk = Walk()

    # See what is the matter.
    assert f"busy.test  {COPIES}" in walk.next("queue stats")
    assert walk.next("queue list").count("@busy.test") == 5
    assert "421 4.3.2" in walk.next("attempts")
    assert f"{COPIES} copies touched" in walk.next("queue kick")
    drain()

    # Set up the way out: as it is written, then moved to where the test has one.
    password = tmp_path / "smarthost.password"
    password.write_text("hunter2\n")
    walk.next("transport add", **{"smarthost.password": str(password)})
    row = Transport.objects.get()
    assert (row.kind, row.hosts, row.username, row.secret) == (
        "submission",
        ["smtp.example.org"],
        "mailweb",
        "hunter2",
    )
    moved = f"--kind relay --tls may --host 127.0.0.1 --port {relay.port}"
    call_command("transport", "change", "smarthost", *moved.split(), "--user", "")
    assert "Connected to 127.0.0.1" in walk.next("transport test")

    # Send one, then all.
    assert f"{COPIES} copies would be touched" in walk.next("queue transport")
    assert states() == {State.WAITING}
    assert "1 copy touched" in walk.next("queue transport")
    drain()
    assert len(relay.taken) == 1
    assert "250 2.0.0 Ok" in walk.next("attempts")
    assert f"{COPIES - 1} copies touched" in walk.next("queue transport")
    drain()
    assert states() == {State.DELIVERED}
    assert sum(len(one.recipients) for one in relay.taken) == COPIES

    # Take along what comes in now.
    walk.next("route add")
    assert "smarthost" in walk.next("route explain")
    queued("late@busy.test", owner=alice, now=timezone.now())
    drain()
    assert relay.taken[-1].recipients[-1].address == "late@busy.test"
    assert "Nothing is waiting to leave." in walk.next("queue list")

    # Undo: what still waits with the transport goes by the routes again.
    queued("last@busy.test", owner=alice, now=timezone.now())
    Recipient.objects.filter(address="last@busy.test").update(transport="smarthost")
    walk.next("security")
    assert "smarthost" in walk.next("route list")
    walk.next("route remove", **{"remove 1": f"remove {Route.objects.get().pk}"})
    assert "1 copy touched" in walk.next("queue transport")
    assert Recipient.objects.get(address="last@busy.test").transport == ""
    assert not Route.objects.exists()
    assert list(walk.rest) == []

    told = AuditEntry.objects.filter(action="queue transport").order_by("id")
    assert list(told.values_list("touched", "reason")) == [
        (1, "one to try"),
        (COPIES - 1, "busy.test is down"),
        (1, "busy.test is back"),
    ]
