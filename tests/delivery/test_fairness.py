"""One slow domain, or one busy account, never delays the others."""

from __future__ import annotations

import dataclasses

import pytest

from delivery import claims, dispatch, shares
from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from delivery.models import Recipient, State
from tests.delivery.factories import queued
from tests.labs import running_lab

pytestmark = pytest.mark.django_db(transaction=True)

BACKLOG = 120
ROOM = 16


@pytest.fixture
def lab():
    with running_lab("slow", "pkix", pace=0.01) as lab:
        yield lab


@pytest.fixture
def small_drain(lab, settings):
    """Run a drain that has room for few jobs at a time."""
    for name, value in lab.environment.items():
        setattr(settings, name, int(value) if name.endswith("PORT") else value)
    settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]
    settings.DELIVERY_CONCURRENCY, settings.DELIVERY_CONCURRENCY_PER_HOST = 4, 2
    config = dataclasses.replace(DeliveryConfig.from_settings(), batch=ROOM)
    return lambda: dispatch.drain(config=config, clock=SystemClock(), once=True)


def arrived(lab) -> list[str]:
    return [message.recipients[0] for message in lab.accepted.all()]


@pytest.mark.parametrize("is_own", [False, True], ids=["nobodys", "the same account's"])
def test_a_slow_domains_backlog_does_not_delay_another_domain(lab, small_drain, alice, now, is_own):
    for number in range(BACKLOG):
        queued(f"r{number}@slow.test", owner=alice if is_own else None, now=now)
    queued("friend@pkix.test", owner=alice, now=now)
    assert small_drain().delivered == BACKLOG + 1
    assert arrived(lab).index("friend@pkix.test") < BACKLOG // 4


def test_an_accounts_backlog_does_not_delay_another_account(lab, small_drain, alice, bob, now):
    for number in range(BACKLOG):
        queued(f"r{number}@slow.test", owner=alice, now=now)
    queued("friend@slow.test", owner=bob, now=now)
    assert small_drain().delivered == BACKLOG + 1
    assert arrived(lab).index("friend@slow.test") < BACKLOG // 2


def test_what_waits_for_its_turn_here_is_left_to_other_workers(
    lab, small_drain, alice, now, monkeypatch
):
    monkeypatch.setattr(shares, "SLOW_SECONDS", 0.1)
    for number in range(BACKLOG):
        queued(f"r{number}@slow.test", owner=alice, now=now)
    held, claim = [], claims.claim

    def watched(**how):
        claimed = claim(**how)
        held.append(Recipient.objects.filter(state=State.SENDING).count())
        return claimed

    monkeypatch.setattr(claims, "claim", watched)
    assert small_drain().delivered == BACKLOG
    # Some have ended and are not written down yet, or were slow on a busy machine.
    assert max(held) <= 2 * ROOM, "it held what waits behind others of its own"
