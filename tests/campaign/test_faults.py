"""Everything breaks while 5,000 copies are on their way: each arrives, and repeats are accounted for."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from delivery.lab.dns import DnsFault, Trouble
from tests.campaign.installation import (
    LEASE_SECONDS,
    Installation,
    installed,
)
from tests.campaign.judging import judge
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.services import PrivatePostgresql

pytestmark = pytest.mark.services
COPIES = 5000
QUICKLY, SLOWLY = 0.2, 2.0
"""Seconds that hosts take for a message: while nothing is awaited, and while a process starts."""


@pytest.fixture
def installation(tmp_path: Path, postgresql: PrivatePostgresql) -> Iterator[Installation]:
    with installed(tmp_path, postgresql) as made:
        yield made


def test_faults_of_every_kind_lose_nothing_and_repeat_only_what_was_abandoned(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    for clock in ("beat1", "beat2"):  # two, because that must do no harm
        installation.beat(clock)
    first, second = installation.worker("first"), installation.worker("second")
    installation.hosts_take(SLOWLY)
    installation.fill(COPIES)
    assert eventually(lambda: installation.are_at_work(2))
    installation.hosts_take(QUICKLY)

    installation.reaches(COPIES // 10)
    first.kill()
    first.wait()
    third = installation.worker("third")

    installation.reaches(COPIES * 2 // 10)
    installation.redis.stop()
    time.sleep(1)
    installation.redis.start()

    installation.reaches(COPIES * 3 // 10)
    installation.postgresql.stop()
    time.sleep(1)
    installation.postgresql.start()

    installation.reaches(COPIES * 4 // 10)
    installation.set_clock("second", 7200)
    installation.reaches(COPIES * 5 // 10)
    installation.set_clock("third", -7200)
    installation.set_clock("second", -86400)

    installation.reaches(COPIES * 6 // 10)
    installation.hosts_take(SLOWLY)
    with dns_outage(installation):
        second.kill()
        second.wait()
        fourth = installation.worker("fourth")  # one that knows nothing yet
        put_off = eventually(lambda: installation.count("witness", "new = 'waiting'"), seconds=240)

    assert eventually(lambda: installation.are_at_work(2))
    installation.hosts_take(QUICKLY)
    installation.reaches(COPIES * 7 // 10)
    third.send_signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + 2)
    third.send_signal(signal.SIGCONT)

    assert installation.settles(), "copies are left in the queue"
    numbers = judge(installation, COPIES)
    assert numbers["leases lost"], "no worker was killed while it was at work"
    assert put_off, "nobody noticed that DNS was away"
    assert third.poll() is None
    assert fourth.poll() is None
    with capsys.disabled():
        told = ", ".join(f"{name} {number}" for name, number in numbers.items())
        print(  # noqa: T201
            f"\nfault campaign: {told}; {time.monotonic() - began:.0f} s"
        )


def test_a_worker_that_is_stopped_or_breaks_ends_soon_and_repeats_nothing(
    installation: Installation,
) -> None:
    copies = COPIES // 5
    installation.beat()
    old = [installation.worker("one"), installation.worker("two")]
    installation.hosts_take(SLOWLY)
    installation.fill(copies)
    assert eventually(lambda: installation.are_at_work(2))
    for worker, number, status, tenths in (
        (old[0], signal.SIGTERM, 0, 2),
        (old[1], signal.SIGUSR2, 1, 4),  # something breaks in Celery
    ):
        installation.reaches(copies * tenths // 10)
        worker.send_signal(number)
        assert worker.wait(40) == status
        assert installation.count("delivery_recipient", "settled_at IS NULL"), "it came too late"
        installation.worker(f"after-{number.name}")
    installation.hosts_take(QUICKLY)
    assert installation.settles(), "copies are left in the queue"
    numbers = judge(installation, copies)
    assert numbers["repeated"] == 0, numbers


def dns_outage(installation: Installation) -> AbstractContextManager[None]:
    """Let the resolver reach nobody until the block ends."""
    return installation.lab.dns_fault(DnsFault(trouble=Trouble.SERVFAIL, name="."))
