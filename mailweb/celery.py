"""The Celery app. It only carries "there is work"; the queue of record is the table."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import worker_ready

from mailweb.lib import memory

# Started as root in a container: `manage.py doctor` says so, once and in one line.
warnings.filterwarnings("ignore", category=SecurityWarning)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailweb.settings")

app = Celery("mailweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def settle_in(**_: object) -> None:
    """Once everything is loaded."""
    memory.settle_in()
