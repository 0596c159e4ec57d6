"""Everything breaks while 5,000 copies are on their way: each arrives, and repeats are accounted for."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from delivery.lab.dns import DnsFault, Trouble
from tests.campaign.fill import RECIPIENTS
from tests.campaign.installation import LEASE_SECONDS, Installation, installed
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

pytestmark = pytest.mark.services
COPIES = 5000
PARALLEL = {"DELIVERY_CONCURRENCY": "12", "DELIVERY_CONCURRENCY_PER_HOST": "6"}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path, **PARALLEL) as made:
        yield made


def fill(installation: Installation, copies: int) -> None:
    installation.run("-m", "tests.campaign.fill", str(copies // RECIPIENTS))
    assert installation.count("delivery_recipient") == copies


def judge(installation: Installation, copies: int) -> dict[str, int]:
    """Prove what holds whatever happened; return the numbers."""
    accepted, lost = installation.accepted(), installation.lost_leases()
    states = dict(installation.query("SELECT state, count(*) FROM delivery_recipient GROUP BY 1"))
    settled = installation.query(
        "SELECT recipient, count(*) FROM witness WHERE new = 'delivered' GROUP BY 1"
    )
    repeated = {address: times for address, times in accepted.items() if times > 1}
    assert states == {"delivered": copies}, states
    assert len(accepted) == copies, "somebody never got a copy"
    assert len(settled) == copies
    assert {times for _, times in settled} == {1}, "a copy was settled twice"
    for address, times in repeated.items():
        assert times <= 1 + lost[address], f"{address} got {times} copies without a lost lease"
    assert "deadlock detected" not in installation.postgresql.log
    return {
        "copies": copies,
        "accepted": sum(accepted.values()),
        "repeated": len(repeated),
        "leases lost": sum(lost.values()),
        "put off": installation.count("witness", "new = 'waiting'"),
    }


def test_faults_of_every_kind_lose_nothing_and_repeat_only_what_was_abandoned(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    fill(installation, COPIES)
    for clock in ("beat1", "beat2"):  # two, because that must do no harm
        installation.start("-m", "celery", "-q", "-A", "mailweb", "beat", name=clock)
    first, second = installation.worker("first"), installation.worker("second")
    assert eventually(lambda: installation.are_at_work(2))

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
    with dns_outage(installation):
        second.kill()
        second.wait()
        fourth = installation.worker("fourth")  # one that knows nothing yet
        put_off = eventually(lambda: installation.count("witness", "new = 'waiting'"), seconds=240)

    installation.reaches(COPIES * 7 // 10)
    third.send_signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + 2)
    third.send_signal(signal.SIGCONT)

    assert eventually(installation.is_settled, seconds=240), "copies are left in the queue"
    numbers = judge(installation, COPIES)
    assert numbers["leases lost"], "no worker was killed while it was at work"
    assert put_off, "nobody noticed that DNS was away"
    # Frozen for longer than its lease, it may end in order; its supervisor starts it again.
    assert third.poll() in (None, 0)
    assert fourth.poll() in (None, 0)
    with capsys.disabled():
        told = ", ".join(f"{name} {number}" for name, number in numbers.items())
        print(  # noqa: T201
            f"\nfault campaign: {told}; {time.monotonic() - began:.0f} s"
        )


def test_workers_that_are_restarted_one_after_the_other_repeat_nothing(
    installation: Installation,
) -> None:
    copies = COPIES // 5
    fill(installation, copies)
    installation.start("-m", "celery", "-q", "-A", "mailweb", "beat", name="beat")
    old = [installation.worker("one"), installation.worker("two")]
    assert eventually(lambda: installation.are_at_work(2))
    for number, worker in enumerate(old):
        installation.reaches(copies * (2 + 3 * number) // 10)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        assert number or installation.count("delivery_recipient", "settled_at IS NULL")
        installation.worker(f"new{number}")
    assert eventually(installation.is_settled), "copies are left in the queue"
    numbers = judge(installation, copies)
    assert numbers["repeated"] == 0, numbers


def dns_outage(installation: Installation) -> AbstractContextManager[None]:
    """Let the resolver reach nobody until the block ends."""
    return installation.lab.dns_fault(DnsFault(trouble=Trouble.SERVFAIL, name="."))
