"""The one way to start work in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

if TYPE_CHECKING:
    from celery import Task

HOW: dict[str, Any] = {
    "retry": True,
    "retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0},
    "confirm_timeout": 4.0,
}
"""With one more try at once: the first may only find out that a connection broke long ago. Without
a policy kombu goes on for six seconds, and somebody waits for the page."""


def enqueue(task: Task[..., Any], *ids: int | str) -> None:
    """Ask for `task` once the current transaction is committed.

    Only ids travel. A broker that cannot be reached costs nothing but time: the table is the
    queue of record, and the sweep finds what was not announced.
    """
    # A function, not a partial: Django logs a failed hook by its name, which partials lack.
    transaction.on_commit(lambda: _send(task, ids), robust=True)


def _send(task: Task[..., Any], ids: tuple[int | str, ...]) -> None:
    task.apply_async(args=ids, **HOW)
