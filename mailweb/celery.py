"""The Celery app. It only carries "there is work"; the queue of record is the table."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailweb.settings")

app = Celery("mailweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
