"""The whole lab played once: every domain checked, foreseen, and sent to under every order.

Each domain is checked once ("Check now": look-ups and one visit). From what that left in the
database compose foresees a message under each order; then all of them are queued and worked off.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from asgiref.sync import async_to_sync
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from accounts.models import User
from delivery import dispatch, evidence, selectors, services, stored
from delivery.agent.agent import Agent
from delivery.agent.clock import SystemClock
from delivery.agent.job import ProbeReport
from delivery.config import DeliveryConfig
from delivery.lab.profiles import PROFILES
from delivery.lab.world import Lab
from delivery.models import Recipient, State
from delivery.policies import DatabasePolicyStore
from delivery.policy.modes import BrokenTls, Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.outcome import Result
from delivery.policy.verdict import Forecast, Way
from tests.delivery.factories import CONTENT
from tests.factories import make_user
from tests.labs import running_lab

ORDERS = {
    "default": Order(),
    "default, never in the clear": Order(sender=SenderPolicy(allows_plain_text=False)),
    "default, plain text pledged": Order(
        pledge=PledgeKind.PLAIN, sender=SenderPolicy(allows_plain_text=False)
    ),
    "verified": Order(mode=Mode.VERIFIED),
    "verified, certificates do": Order(mode=Mode.VERIFIED, sender=SenderPolicy(accepts_pkix=True)),
    "requiretls": Order(mode=Mode.REQUIRETLS),
    "optional": Order(mode=Mode.OPTIONAL),
    "optional, verified pledged": Order(mode=Mode.OPTIONAL, pledge=PledgeKind.VERIFIED),
}
PLAIN_MODES = ("default", "verified", "requiretls", "optional")


def orders_for(name: str) -> tuple[str, ...]:
    """All of them, but for the one domain that costs seconds a session and never says a word."""
    return PLAIN_MODES if name == "silent" else tuple(ORDERS)


IMPATIENT = ("silent", "dns-silent")
"""Domains that answer nothing, for which a little patience is as good as much."""

RESULTS = {
    State.DELIVERED: Result.DELIVERED,
    State.WAITING: Result.DEFERRED,
    State.FAILED: Result.FAILED,
}


DOWNGRADED = "downgraded"
"""The domain `downgrade`, checked again once it had dropped STARTTLS."""


@dataclass(frozen=True)
class Cell:
    """One message: what was foreseen, and what became of it."""

    blind: Forecast
    """From look-ups alone, before any session."""

    foreseen: Forecast
    copy: Recipient

    @property
    def result(self) -> Result:
        return RESULTS[State(self.copy.state)]

    @property
    def way(self) -> Way:
        assert self.copy.last_attempt is not None
        return selectors.way_of(self.copy.last_attempt)


@dataclass(frozen=True)
class Played:
    """What came of it: a cell by domain and order, and the bars of each domain after its check."""

    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    bars: dict[str, tuple[str, ...]] = field(default_factory=dict)


def config_for(name: str) -> DeliveryConfig:
    """More than real patience for most, so that a busy machine changes nothing."""
    config = DeliveryConfig.from_settings()
    scale = 0.01 if name in IMPATIENT else 5.0
    return replace(config, agent=replace(config.agent, time_scale=scale))


async def visited(names: list[str], config: DeliveryConfig) -> list[ProbeReport]:
    answers = dispatch._only_one.answers
    policies, clock = DatabasePolicyStore(), SystemClock()
    if "silent" in names:  # Its DNS does answer: nobody is to be impatient with that.
        patient = config_for("").agent
        async with Agent(patient, policies=policies, clock=clock, answers=answers) as agent:
            await agent.look_up("silent.test")
    async with Agent(config.agent, policies=policies, clock=clock, answers=answers) as agent:
        return await asyncio.gather(*(agent.probe(f"{name}.test") for name in names))


def foreseen(owner: User, name: str, order: Order) -> Forecast:
    """Ask as compose asks."""
    domain = f"{name}.test"
    request = selectors.CopyRequest(address=f"friend@{domain}", domain=domain, pledge=order.pledge)
    outlook = selectors.outlook(
        owner_id=owner.pk,
        copies=[request],
        by_hand=order.mode,
        sender=order.sender,
        on_broken_tls=BrokenTls.ASK,
        is_list_reply=False,
        now=timezone.now(),
    )
    return outlook.copies[0].forecast


def queued(owner: User, name: str, number: int, order: Order) -> int:
    message = services.submit(
        owner=owner,
        mail_from="alice@mailweb.test",
        recipients=[
            services.NewRecipient(
                address=f"friend{number}@{name}.test", mode=order.mode, pledge=order.pledge
            )
        ],
        content=CONTENT,
        subject="Hello",
        sender_policy=order.sender,
        now=timezone.now(),
    )
    return message.recipients.get().pk


def play(played: Played, owner: User, names: list[str]) -> None:
    """Check these domains, foresee, send, and note what came of it."""
    config = config_for(names[0])
    reports = async_to_sync(visited)(names, config)
    stored.keep_facts([report.facts for report in reports], now=timezone.now())
    pairs = [(name, order) for name in names for order in orders_for(name)]
    blind = {pair: foreseen(owner, pair[0], ORDERS[pair[1]]) for pair in pairs}
    for report in reports:
        evidence.add_probe(owner_id=owner.pk, facts=report.facts, attempts=report.attempts)
    told = {pair: foreseen(owner, pair[0], ORDERS[pair[1]]) for pair in pairs}
    rows = selectors.rows_for(
        owner_id=owner.pk, domains=[f"{name}.test" for name in names], now=timezone.now()
    )
    for name in names:
        played.bars[name] = tuple(bar.word for bar in rows[f"{name}.test"].bars)
    keys = {
        pair: queued(owner, pair[0], number, ORDERS[pair[1]]) for number, pair in enumerate(pairs)
    }
    assert dispatch.drain(config=config, clock=SystemClock(), once=True) is not None
    copies = Recipient.objects.select_related("last_attempt").in_bulk(list(keys.values()))
    for pair, key in keys.items():
        played.cells[pair] = Cell(blind=blind[pair], foreseen=told[pair], copy=copies[key])


def settings_of(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: int(value) if name.endswith("_PORT") else value
        for name, value in lab.environment.items()
    }
    return found | {
        "DNS_RESOLVERS": [lab.environment["DNS_RESOLVERS"]],
        # One account writes to every domain under every order.
        "SENDING_NEW_RECIPIENTS_PER_DAY": 0,
        "SENDING_RECIPIENTS_PER_DAY": 0,
    }


def play_everything() -> Played:
    """Play every domain, in a lab and a transaction of its own; nothing of it stays."""
    played, again = Played(), Played()
    with running_lab() as lab, override_settings(**settings_of(lab)), transaction.atomic():
        host = next(one for one in lab.hosts if one.profile == "downgrade")
        owner = make_user("alice@mailweb.test", name="Alice", now=timezone.now())
        host.counters.connections = -10_000  # Long before it drops STARTTLS.
        play(played, owner, [name for name in PROFILES if name not in IMPATIENT])
        play(played, owner, list(IMPATIENT))
        host.counters.connections = 10_000
        play(again, owner, ["downgrade"])
        transaction.set_rollback(True)
    played.bars[DOWNGRADED] = again.bars["downgrade"]
    played.cells.update({(DOWNGRADED, order): cell for (_, order), cell in again.cells.items()})
    return played
