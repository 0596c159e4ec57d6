"""RabbitMQ carries the work: through a line that breaks, and though drains last longer than its patience."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from celery import Celery
from kombu import Connection

from mailweb.diagnosis import machine
from mailweb.diagnosis.finding import Grade
from tests.campaign.installation import CHECKOUT, installed
from tests.campaign.judging import judge
from tests.fakes.line import line_to
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services import PrivatePostgresql, PrivateRabbitmq

pytestmark = pytest.mark.services
COPIES = 600
HINTED = 20
QUICKLY, SLOWLY = 0.2, 3.0
ANNOUNCER = """
import sys
import django
django.setup()
from mailweb.celery import app
from mailweb.lib.queue import enqueue

@app.task(name="hint", queue="hints")
def hint(): pass

for _ in sys.stdin:
    enqueue(hint)
    print("done", flush=True)
"""


def test_all_mail_leaves_by_rabbitmq_through_a_line_that_breaks(
    tmp_path: Path, postgresql: PrivatePostgresql, rabbitmq: PrivateRabbitmq
) -> None:
    with line_to(rabbitmq.port) as line:
        url = url_at(line.port)
        with installed(tmp_path, postgresql, CELERY_BROKER_URL=url) as installation:
            beat = installation.beat()
            workers = [installation.worker("one"), installation.worker("two")]
            installation.hosts_take(SLOWLY)
            installation.fill(COPIES)
            assert eventually(lambda: installation.are_at_work(2))

            installation.reaches(COPIES // 4)
            assert line.cut() >= len(workers)
            time.sleep(1)
            line.mend()
            time.sleep(rabbitmq.IMPATIENCE_SECONDS)
            assert installation.count("delivery_recipient", "settled_at IS NULL"), "too quick"
            installation.hosts_take(QUICKLY)
            assert installation.settles(), "copies are left in the queue"

            beat.kill()
            assert eventually(lambda: installation.are_at_work(0))
            installation.fill(HINTED)  # no sweep: a worker hears of it, or it stays
            assert installation.settles(), "nobody heard of it"
            assert judge(installation, COPIES + HINTED)["repeated"] == 0
            assert [worker.poll() for worker in workers] == [None, None]
            assert "PRECONDITION_FAILED" not in installation.log("one") + installation.log("two")


def test_what_is_announced_through_a_line_that_broke_meanwhile_arrives(
    tmp_path: Path, rabbitmq: PrivateRabbitmq
) -> None:
    with line_to(rabbitmq.port) as line, announcer(tmp_path, url_at(line.port)) as process:
        announce(process)
        assert line.cut()
        line.mend()
        announce(process)
    with Connection(url_at(rabbitmq.port)) as connection:
        assert connection.SimpleQueue("hints").qsize() == 2


def test_doctor_tells_that_rabbitmq_lets_nobody_in(
    rabbitmq: PrivateRabbitmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Celery(broker=url_at(rabbitmq.port, user="nobody"), set_as_current=False)
    monkeypatch.setattr(machine, "app", wrong)
    found = machine.broker()
    assert found.grade is Grade.FAIL
    assert "ACCESS_REFUSED" in found.sentence


@contextmanager
def announcer(folder: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process with Mailweb's own settings that announces work for every line it reads."""
    own = {
        "DJANGO_SETTINGS_MODULE": "mailweb.settings",
        "DATA_DIR": str(folder),
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": url,
    }
    with subprocess.Popen(
        [sys.executable, "-c", ANNOUNCER],
        cwd=CHECKOUT,
        env={name: value for name, value in {**os.environ, **own}.items() if value},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def announce(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    print("go", file=process.stdin, flush=True)
    assert process.stdout.readline() == "done\n"


def url_at(port: int, *, user: str = "guest") -> str:
    return f"amqp://{user}:guest@127.0.0.1:{port}//"
