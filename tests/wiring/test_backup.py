"""A backup made while mail is being queued, restored elsewhere: nothing is lost, secrets open."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.conf import settings

from tests.instance import CHECKOUT
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.database

QUEUE = """
import django; django.setup()
from django.db import transaction
from django.utils import timezone
from delivery import services
from delivery.models import OutboundMessage
from delivery.policy.modes import SenderPolicy
for number in range(100_000):
    with transaction.atomic():
        services.submit(
            owner=None, mail_from="alice@mailweb.test", now=timezone.now(),
            recipients=[services.NewRecipient(address=f"r{number}-{one}@pkix.test") for one in (1, 2)],
            content=b"Subject: Load\\r\\n\\r\\nHello.\\r\\n" * 50, sender_policy=SenderPolicy(),
        )
"""
LOOK = """
import json, django; django.setup()
from accounts.dkim import PURPOSE
from accounts.models import DkimKey
from delivery.models import Content, OutboundMessage, Recipient
from mailweb.lib.sealed import unseal
from mailweb.webmail import receipts
print(json.dumps({
    "messages": OutboundMessage.objects.count(),
    "contents": Content.objects.count(),
    "recipients": Recipient.objects.count(),
    "held": Recipient.objects.filter(state="held").count(),
    "last": OutboundMessage.objects.order_by("-pk").values_list("pk", flat=True).first(),
    "key": unseal(bytes(DkimKey.objects.earliest("pk").sealed_key), purpose=PURPOSE).hex(),
    "receipts": receipts.public_key().decode(),
}))
"""


class Place:
    """An installation: a data directory and a database of its own."""

    def __init__(self, folder: Path, database_url: str) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "mailweb.settings",
            "DATA_DIR": str(folder),
            "CELERY_BROKER_URL": "memory://",
            "SENDING_RECIPIENTS_PER_DAY": "1000000",
        }
        self.environment.pop("DATABASE_URL", None)
        self.environment.pop("REDIS_URL", None)
        if database_url:
            self.environment["DATABASE_URL"] = database_url

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=CHECKOUT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def try_to(self, *command: str) -> tuple[int, str]:
        with self.start(*command) as process:
            out, wrong = process.communicate(timeout=120)
        return process.returncode, out + wrong

    def manage(self, *command: str) -> str:
        status, said = self.try_to("manage.py", *command)
        assert status == 0, said
        return said

    def look(self) -> Any:
        status, said = self.try_to("-c", LOOK)
        assert status == 0, said
        return json.loads(said)


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """Make an empty installation on the kind of database the suite runs on."""
    given = settings.DATABASES["default"]
    if given["ENGINE"].endswith("sqlite3"):
        yield Place(folder, "")
        return
    server = (
        f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT'] or 5432}"
    )
    name = f"mailweb_backup_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield Place(folder, f"{server}/{name}")
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path / "here") as made:
        made.manage("migrate", "-v0")
        made.manage("domain", "add", "mailweb.test")
        made.manage("domain", "dkim-add", "mailweb.test")
        yield made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path / "elsewhere") as made:
        yield made


def test_a_backup_made_while_mail_is_queued_is_one_moment_of_it(tmp_path, here, elsewhere):
    file = tmp_path / "mailweb.tar"
    queueing = here.start("-c", QUEUE)
    try:
        assert eventually(lambda: here.look()["messages"])
        before = here.look()
        made = json.loads(here.manage("backup", str(file), "--json"))
        assert queueing.poll() is None, "nothing was queued while the backup was made"
    finally:
        queueing.kill()
        queueing.communicate()
    after = here.look()
    assert "secret_key" in made["keys"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    said = elsewhere.manage("restore", str(file), "--hold")
    restored = elsewhere.look()
    assert before["messages"] <= restored["messages"] <= after["messages"]
    assert restored["messages"] == restored["contents"] == restored["recipients"] / 2
    assert restored["held"] == restored["recipients"], said
    assert restored["key"] == before["key"] == after["key"]
    assert restored["receipts"] == before["receipts"]
    assert "No migrations to apply" in elsewhere.manage("migrate")


def test_a_backup_goes_into_an_empty_installation_only(tmp_path, here):
    file = tmp_path / "mailweb.tar"
    here.manage("backup", str(file))
    status, said = here.try_to("manage.py", "restore", str(file))
    assert status == 1
    assert "There is a database here already" in said
    status, said = here.try_to("manage.py", "backup", str(file))
    assert status == 1
    assert "exists already" in said


def test_a_backup_without_its_secret_key_is_refused_before_anything_is_changed(
    tmp_path, here, elsewhere
):
    file = tmp_path / "mailweb.tar"
    here.environment["SECRET_KEY"] = "one that is kept elsewhere"
    (here.folder / "secret_key").unlink()
    here.manage("backup", str(file))
    with tarfile.open(file) as tar:
        assert "secret_key" not in tar.getnames()
    elsewhere.environment["SECRET_KEY"] = "another one"
    status, said = elsewhere.try_to("manage.py", "restore", str(file))
    assert status == 1
    assert "another SECRET_KEY" in said
    elsewhere.environment["SECRET_KEY"] = here.environment["SECRET_KEY"]
    elsewhere.manage("restore", str(file))


def test_what_is_no_backup_is_refused(tmp_path, elsewhere):
    file = tmp_path / "mailweb.tar"
    file.write_bytes(b"nonsense")
    status, said = elsewhere.try_to("manage.py", "restore", str(file))
    assert status == 1
    assert "can't be read" in said
