"""The project: wiring, and the apps that people see."""

from __future__ import annotations

from mailweb.celery import app as celery_app

__all__ = ["celery_app"]
