"""Periodic work of the mail store."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from delivery import clocks, duties, lookups
from delivery.config import DeliveryConfig
from mailweb.webmail import looking_ahead, sending

NEARLY_SIX_MINUTES = timedelta(minutes=5)


@shared_task
def forget_sent_drafts() -> None:
    """Delete drafts that nobody can take back any more."""
    sending.forget_sent_drafts(now=timezone.now())


@shared_task
def look_ahead() -> None:
    """Look up a few domains of the address books, so that their policies are known in time."""
    clock = clocks.shared()
    if duties.begin("look-ahead", now=clock.now(), every=NEARLY_SIX_MINUTES):
        domains = looking_ahead.domains_due(now=clock.now())
        lookups.look_ahead(domains, config=DeliveryConfig.from_settings(), clock=clock)
