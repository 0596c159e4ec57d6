from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from mailweb.lib import meter_files, meters
from tests.instance import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESS = """
import os, signal, sys, django
django.setup()
from delivery import metrics
metrics.NOTICES.add("failed", by=3)
metrics.DNS_SECONDS.add(0.02, "MX", "found")
metrics.SESSIONS.set(7, "busy")
print("counted", flush=True)
sys.stdin.read()
if "fork" in sys.argv:
    if os.fork() == 0:
        metrics.NOTICES.add("failed", by=10)
        os._exit(0)
    os.wait()
os.kill(os.getpid(), signal.SIGKILL)
"""


def process(data: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a process that counts, and ends by kill -9 once nobody talks to it any more."""
    environment = {
        **os.environ,
        "DATA_DIR": str(data),
        "DJANGO_SETTINGS_MODULE": "mailweb.settings",
        "MAIL_HOSTNAME": "mail.mailweb.test",
    }
    started = subprocess.Popen(
        [sys.executable, "-c", PROCESS, *arguments],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert started.stdout
    assert started.stdout.readline() == b"counted\n"
    return started


def end(*processes: subprocess.Popen[bytes]) -> None:
    for one in processes:
        one.communicate(timeout=60)


def shown(data: Path) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return what a scrape would show."""
    (folder,) = (data / "metrics").iterdir()
    with meter_files.locked(folder):
        files = meter_files.add_up_the_past(folder)
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for metric in MultiProcessCollector.merge(files)
            for sample in metric.samples
        }


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    processes = process(tmp_path), process(tmp_path)
    yield processes
    for one in processes:
        if one.poll() is None:
            one.kill()
            one.communicate()


NOTICES = ("mailweb_notices_total", ("failed",))
BUSY = ("mailweb_smtp_sessions", ("busy",))
LOOKUPS = ("mailweb_dns_lookup_seconds_count", ("found", "MX"))


def test_processes_count_together_and_the_dead_lose_nothing(
    tmp_path: Path, two: tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]
) -> None:
    alive = shown(tmp_path)
    assert (alive[NOTICES], alive[BUSY]) == (6, 14)
    end(two[0])
    one_left = shown(tmp_path)
    assert (one_left[NOTICES], one_left[BUSY]) == (6, 7)
    end(two[1])
    for _ in range(2):  # what was added up once is not added up again
        none_left = shown(tmp_path)
        counts = {name: value for (name, _), value in none_left.items() if "_count" in name}
        assert none_left[NOTICES] == 6
        assert sum(counts.values()) == 2
        assert BUSY not in none_left
    (folder,) = (tmp_path / "metrics").iterdir()
    left = {path.name for path in folder.iterdir()}
    assert left == {"counter_past.db", "histogram_past.db", "files.lock"}


def test_child_of_a_fork_counts_in_files_of_its_own(tmp_path: Path) -> None:
    end(process(tmp_path, "fork"))
    assert shown(tmp_path)[NOTICES] == 13


def test_file_that_cannot_be_read_costs_nobody_the_rest(tmp_path: Path) -> None:
    end(process(tmp_path))
    (folder,) = (tmp_path / "metrics").iterdir()
    (folder / "counter_1-broken.db").write_bytes(b"\xff" * 100)
    (folder / "histogram_1-empty.db").write_bytes(b"")
    assert shown(tmp_path)[NOTICES] == 3


def test_values_nobody_declared_are_counted_as_other() -> None:
    family = meters.Count("test_words", "For this test.", word=("known", meters.OTHER))
    try:
        family.add("known")
        family.add("alice@mailweb.test")
        family.begin()
        assert {words[0] for words in family._children} == {"known", "alice@mailweb.test", "other"}
        assert family.child(("alice@mailweb.test",)) is family.child(("other",))
    finally:
        del meters.FAMILIES[family.name]


def test_tally_says_what_single_observations_would() -> None:
    one = meters.Distribution("test_one_seconds", "For this test.", how=("x",))
    many = meters.Distribution("test_many_seconds", "For this test.", how=("x",))
    tally = meters.Tally()
    seconds = [0.0001, 0.001, 0.0011, 0.3, 61, 1000]
    for each in seconds:
        one.add(each, "x")
        tally.time(many, each, "x")
    before = [bucket.get() for bucket in many.child(("x",))._buckets]
    tally.flush()
    tally.flush()
    after = [bucket.get() for bucket in many.child(("x",))._buckets]
    for family in (one, many):
        del meters.FAMILIES[family.name]
    assert sum(before) == 0
    assert after == [bucket.get() for bucket in one.child(("x",))._buckets]
    assert many.child(("x",))._sum.get() == pytest.approx(sum(seconds))
