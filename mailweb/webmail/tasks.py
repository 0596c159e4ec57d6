"""Periodic work of the mail store."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from delivery import lookups
from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from mailweb.webmail import looking_ahead, sending


@shared_task(acks_late=True, ignore_result=True)
def forget_sent_drafts() -> None:
    """Delete drafts that nobody can take back any more."""
    sending.forget_sent_drafts(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def look_ahead() -> None:
    """Look up a few domains of the address books, so that their policies are known in time."""
    clock = SystemClock()
    domains = looking_ahead.domains_due(now=clock.now())
    lookups.look_ahead(domains, config=DeliveryConfig.from_settings(), clock=clock)
