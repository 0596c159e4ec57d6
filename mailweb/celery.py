"""The Celery app. It only carries "there is work"; the queue of record is the table."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_ready

from mailweb.lib import memory

# Started as root in a container: `manage.py doctor` says so, once and in one line.
warnings.filterwarnings("ignore", category=SecurityWarning)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailweb.settings")

app = Celery("mailweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def leave_the_log_alone(**_: object) -> None:
    """Say that the log is set up: else Celery gives it a level of its own, and info never shows."""


@worker_ready.connect
def settle_in(**_: object) -> None:
    """Once everything is loaded."""
    from mailweb import metrics_listener  # needs the loaded apps

    metrics_listener.start()
    memory.settle_in()
