"""SIGTERM of the worker in the middle of a drain: it ends soon, and nothing is repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

from delivery.lab.mailbox import Mailbox
from tests.delivery.test_crash import FILL, MESSAGES, ROOT
from tests.labs import running_lab
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

WORKER = ("-m", "celery", "--quiet", "-A", "mailweb", "worker", "-Q", "delivery")
QUEUE = ("manage.py", "queue", "list", "--json")


def test_stopped_worker_finishes_what_it_began_and_leaves_the_rest(tmp_path: Path) -> None:
    with running_lab("slow", pace=0.01) as lab:
        lab.accepted = Mailbox(max_messages=10 * MESSAGES)
        own = {"DJANGO_SETTINGS_MODULE": "mailweb.settings", "DATA_DIR": str(tmp_path)}
        few = {"DELIVERY_CONCURRENCY": "20", "LOG_LEVEL": "error"}
        environment = {**os.environ, **lab.environment, **own, **few}
        environment.pop("DATABASE_URL", None)
        environment.pop("REDIS_URL", None)

        def run(*command: str) -> str:
            return subprocess.run(
                [sys.executable, *command],
                check=True,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout

        run("manage.py", "migrate", "-v0")
        run("-c", FILL.format(number=MESSAGES, domain="slow.test"))
        with subprocess.Popen([sys.executable, *WORKER], cwd=ROOT, env=environment) as worker:
            assert eventually(lambda: len(lab.accepted) >= MESSAGES // 10)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(10) == 0
        begun = len(lab.accepted)
        assert begun < MESSAGES, "the worker was stopped too late to prove anything"
        states = Counter(row["state"] for row in json.loads(run(*QUEUE)))
        assert states == {"queued": MESSAGES - begun}
        copies = Counter(one for message in lab.accepted.all() for one in message.recipients)
        assert set(copies.values()) == {1}
