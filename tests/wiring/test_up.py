from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

from tests.instance import DEMO, SERVICES, STOP_SECONDS, running
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


def test_up_serves_pages_restarts_what_is_killed_and_stops_without_a_trace(tmp_path: Path) -> None:
    with running(tmp_path) as instance:
        assert eventually(instance.answers)
        before = instance.settled(SERVICES)
        os.kill(before["daphne"], signal.SIGKILL)
        os.kill(before["delivery@%h"], signal.SIGKILL)
        assert eventually(instance.answers)
        after = instance.settled(SERVICES)
        assert {name for name in SERVICES if before[name] == after[name]} == {"default@%h", "beat"}
        instance.process.send_signal(signal.SIGINT)
        assert instance.process.wait(STOP_SECONDS) == 0
        assert instance.children() == {}


def test_demo_follows_its_lab_to_other_ports(tmp_path: Path) -> None:
    with running(tmp_path, "--demo") as instance:
        assert eventually(instance.answers)
        before = instance.settled(DEMO)
        os.kill(before["lab"], signal.SIGKILL)

        def those_before() -> set[str]:
            return {name for name, pid in instance.settled(DEMO).items() if pid == before[name]}

        assert eventually(lambda: those_before() == {"daphne", "beat"})


def test_demo_signs_its_mail_and_the_lab_publishes_the_keys(tmp_path: Path) -> None:
    with running(tmp_path, "--demo", DEMO="1") as instance:
        assert eventually((tmp_path / "lab" / "resolver").exists)
        keys = json.loads(instance.manage("domain", "dkim-check", "mailweb.test", "--json"))
    assert {(key["algorithm"], key["state"], key["will_do"]) for key in keys} == {
        ("rsa", "active", True),
        ("ed25519", "active", True),
    }


def test_killed_up_leaves_nobody(tmp_path: Path) -> None:
    with running(tmp_path) as instance:
        assert instance.settled(SERVICES).keys() == SERVICES
        instance.process.kill()
        assert eventually(lambda: not instance.children())


def test_second_up_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        assert eventually(first.answers)
        with running(tmp_path) as second:
            assert second.process.wait(STOP_SECONDS) == 1
            assert "Mailweb runs already" in second.log


def test_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        assert eventually(first.answers)
        other = tmp_path / "other"
        other.mkdir()
        port = first.url.rpartition(":")[2]
        with running(other, "--port", port) as second:
            assert second.process.wait(STOP_SECONDS) == 1
            assert f"Cannot listen on 127.0.0.1:{port}" in second.log
