"""Periodic work that concerns every app."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from delivery import clocks, duties, pruning
from mailweb.pruning import KINDS

NEARLY_A_DAY = timedelta(hours=23)


@shared_task
def prune() -> None:
    """Remove what is old, once a day, however often it is called."""
    now = clocks.shared().now()
    if duties.begin("prune", now=now, every=NEARLY_A_DAY):
        for kind in KINDS.values():
            pruning.prune(kind, now=now)
