"""A worker that begins to stop does stop, with a status that tells its supervisor how it went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
WORKER = """
import sys, threading
import django
django.setup()
import celery.bin.celery
from mailweb import celery as wiring
from mailweb.management.commands.up import SILENT

begun, patience, lasts = sys.argv[1:]
wiring.STOPS_WITHIN_SECONDS = float(patience)

@wiring.app.task(name="stuck")
def stuck():
    open(begun, "w").close()
    threading.Event().wait(float(lasts))

stuck.delay()
sys.argv[1:] = ["--quiet", "-A", "mailweb", "worker", *SILENT, "-Q", "default"]
celery.bin.celery.main()
"""


@pytest.mark.parametrize(
    ("patience", "task_lasts", "status"), [("600", "1", 0), ("1", "600", 1)], ids=["soon", "never"]
)
def test_a_worker_ends_whether_its_tasks_end_or_not(
    tmp_path: Path, patience: str, task_lasts: str, status: int
) -> None:
    begun = tmp_path / "begun"
    own = {"DJANGO_SETTINGS_MODULE": "mailweb.settings", "DATA_DIR": str(tmp_path)}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CELERY_BROKER_URL", "DATABASE_URL", "REDIS_URL"}
    }
    command = [sys.executable, "-c", WORKER, str(begun), patience, task_lasts]
    with subprocess.Popen(command, cwd=ROOT, env={**inherited, **own}) as worker:
        try:
            assert eventually(begun.exists)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == status
        finally:
            worker.kill()
