"""A whole installation, looked at from outside: what its workers did shows in one place."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.instance import Instance, running
from tests.services import free_port
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 180.0
"""Seconds in which a whole installation starts, on a machine that has much else to do."""

LETTER = b"From: alice@mailweb.test\r\nSubject: Very private\r\n\r\nNobody's business.\r\n"


def number(url: str, name: str, **labels: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def delivered(url: str) -> float:
    return number(url, "mailweb_attempts_total", outcome="delivered")


def send(instance: Instance) -> str:
    people = ("--from", "alice@mailweb.test", "--to", "friend@dane.test", "--json", "-")
    return instance.manage("send", *people, standard_input=LETTER)


def test_what_workers_did_shows_at_the_web_and_at_the_listener(tmp_path: Path) -> None:
    listener = f"http://127.0.0.1:{free_port()}"
    environment = {
        "METRICS_LISTEN": listener.removeprefix("http://"),
        "LOG_FORMAT": "logfmt",
        "LOG_LEVEL": "trace",
    }
    with running(tmp_path, "--demo", **environment) as instance:
        assert eventually(instance.is_ready, seconds=PATIENCE)
        before = delivered(instance.url)
        send(instance)
        assert eventually(lambda: delivered(instance.url) == before + 1, seconds=PATIENCE)
        assert eventually(lambda: delivered(listener) == before + 1, seconds=PATIENCE)
        assert number(listener, "mailweb_tls_verified_total", method="dane-ee") >= 1
        assert number(instance.url, "mailweb_submissions_total", door="command") == 1
        log = instance.log
    assert 'event="copies written down" delivered=' in log
    assert "C: RCPT TO:<friend@dane.test>" in log
    assert "Very private" not in log
    assert "Nobody's business" not in log
