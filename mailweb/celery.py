"""The Celery app. It only carries "there is work"; the queue of record is the table."""

from __future__ import annotations

import os
import threading
import warnings
from typing import Any

from celery import Celery, bootsteps
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_ready

from mailweb.lib import memory

# Started as root in a container: `manage.py doctor` says so, once and in one line.
warnings.filterwarnings("ignore", category=SecurityWarning)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailweb.settings")

app = Celery("mailweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

STOPS_WITHIN_SECONDS = 30.0


class SureEnd(bootsteps.StartStopStep):
    """Sees that a worker which begins to stop does stop, whatever made it.

    It may have been told to, or something in Celery broke. Celery then waits for the tasks that run,
    and a drain goes on for hours; or it waits for a broker that says nothing. Such a process would
    hear of no work any more, and no supervisor would notice.
    """

    requires = ("celery.worker.components:Pool",)

    def close(self, _worker: Any) -> None:
        """End the drain, and in the end the process."""
        from delivery import dispatch  # needs the loaded apps

        dispatch.end()
        last_resort = threading.Timer(STOPS_WITHIN_SECONDS, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()


app.steps["worker"].add(SureEnd)


@setup_logging.connect
def leave_the_log_alone(**_: object) -> None:
    """Say that the log is set up: else Celery gives it a level of its own, and info never shows."""


@worker_ready.connect
def settle_in(**_: object) -> None:
    """Once everything is loaded."""
    from mailweb import metrics_listener  # needs the loaded apps

    metrics_listener.start()
    memory.settle_in()
