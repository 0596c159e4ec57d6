"""kill -9 of the worker in the middle of a drain: nothing is lost, and little is repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

from delivery.lab.mailbox import Mailbox
from tests.labs import running_lab

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 1000
FILL = """
import django; django.setup()
from django.db import transaction
from django.utils import timezone
from delivery import services
from delivery.policy.modes import SenderPolicy
with transaction.atomic():
    for number in range({number}):
        services.submit(
            owner=None, mail_from="alice@mailweb.test", now=timezone.now(),
            recipients=[services.NewRecipient(address=f"r{{number}}@{domain}")],
            content=b"Subject: Load\\r\\n\\r\\nHello.\\r\\n", sender_policy=SenderPolicy(),
        )
"""


@pytest.fixture
def database_url():
    """A database of its own, of the kind the suite runs on; empty for SQLite."""
    given = settings.DATABASES["default"]
    if given["ENGINE"].endswith("sqlite3"):
        yield ""
        return
    import psycopg

    place = f"{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT'] or 5432}"
    name = f"mailweb_crash_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"postgres://{place}/postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    yield f"postgres://{place}/{name}"
    with psycopg.connect(f"postgres://{place}/postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.database
def test_kill_9_in_a_drain_of_a_thousand_messages_loses_nothing(tmp_path, database_url):
    with running_lab("starttls") as lab:
        lab.accepted = Mailbox(max_messages=10 * MESSAGES)
        environment = {
            **os.environ,
            **lab.environment,
            "DJANGO_SETTINGS_MODULE": "mailweb.settings",
            "DATA_DIR": str(tmp_path),
            "DELIVERY_LEASE_SECONDS": "3",
            "CELERY_BROKER_URL": "memory://",
            "LOG_LEVEL": "error",
        }
        environment.pop("DATABASE_URL", None)
        if database_url:
            environment["DATABASE_URL"] = database_url

        def run(*command: str) -> str:
            done = subprocess.run(
                [sys.executable, *command],
                check=False,
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        run("manage.py", "migrate", "-v0")
        run("-c", FILL.format(number=MESSAGES, domain="starttls.test"))
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "queue", "run"], cwd=ROOT, env=environment
        )
        deadline = time.monotonic() + 60
        while len(lab.accepted) < MESSAGES // 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert len(lab.accepted) < MESSAGES, "the worker was killed too late to prove anything"

        rows = json.loads(run("manage.py", "queue", "list", "--state", "sending", "--json"))
        leased = {row["to"] for row in rows}
        assert leased, "nothing was under way when the worker was killed"
        deadline = time.monotonic() + 90
        while True:
            run("manage.py", "queue", "run", "--once")
            if json.loads(run("manage.py", "queue", "stats", "--json"))["total"] == 0:
                break
            assert time.monotonic() < deadline, "copies are left in the queue"
            time.sleep(0.5)

        delivered = json.loads(run("manage.py", "queue", "list", "--state", "delivered", "--json"))
        seen = Counter(one for message in lab.accepted.all() for one in message.recipients)
        assert len(delivered) == MESSAGES
        assert set(seen) == {f"r{number}@starttls.test" for number in range(MESSAGES)}
        repeated = {address for address, times in seen.items() if times > 1}
        assert repeated <= leased
        assert max(seen.values()) <= 2
