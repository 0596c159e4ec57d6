"""Periodic work of the mail store."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from mailweb.webmail import sending


@shared_task(acks_late=True, ignore_result=True)
def forget_sent_drafts() -> None:
    """Delete drafts that nobody can take back any more."""
    sending.forget_sent_drafts(now=timezone.now())
