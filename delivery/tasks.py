"""Celery's entrances. Each is one call, safe to run twice; only ids travel.

Services announce work through these tasks, so each task imports what it calls when it runs.
"""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from delivery import clocks
from delivery.config import DeliveryConfig

NEARLY_AN_HOUR = timedelta(minutes=55)


@shared_task
def drain() -> None:
    """Work off what is due."""
    from delivery import dispatch

    dispatch.drain(config=DeliveryConfig.from_settings(), clock=clocks.shared())


@shared_task
def sweep() -> None:
    """Find what nobody announced: abandoned leases, overdue copies, due mail, pending notices."""
    from delivery import dispatch, maintenance

    config, clock = DeliveryConfig.from_settings(), clocks.shared()
    # After the clock was set, whoever lives needs a moment to renew its leases by the new time.
    may_reclaim = not clock.has_leapt_within(config.lease_for)
    if maintenance.sweep(now=clock.now(), may_reclaim=may_reclaim):
        dispatch.drain(config=config, clock=clock)


@shared_task
def notify() -> None:
    """Tell senders how their mail ended."""
    from delivery import notices

    notices.tell(now=clocks.shared().now())


@shared_task
def look_up(owner_id: int, domain: str) -> None:
    """Look a domain up for an account's open pages."""
    from delivery import lookups

    config, clock = DeliveryConfig.from_settings(), clocks.shared()
    lookups.look_up(owner_id=owner_id, domain=domain, config=config, clock=clock)


@shared_task
def probe(probe_id: int) -> None:
    """Carry out one "Check now"."""
    from delivery import probes

    config, clock = DeliveryConfig.from_settings(), clocks.shared()
    probes.answer(probe_id=probe_id, config=config, clock=clock)


@shared_task
def refresh_policies() -> None:
    """Renew MTA-STS policies that are in use, ahead of their expiry (RFC 8461 §3.3)."""
    from delivery import duties, maintenance

    clock = clocks.shared()
    if duties.begin("refresh-policies", now=clock.now(), every=NEARLY_AN_HOUR):
        maintenance.refresh_policies(config=DeliveryConfig.from_settings(), clock=clock)


@shared_task
def call_webhooks() -> None:
    """Make the calls of webhooks that are due."""
    from delivery.webhooks import calls

    calls.make(config=DeliveryConfig.from_settings(), clock=clocks.shared())


@shared_task
def forget_webhook_calls() -> None:
    """Remove calls that ended long ago."""
    from delivery.webhooks import calls

    calls.forget(now=clocks.shared().now())
