"""What compose foresees is what the worker does: every domain of the lab, under every order.

Each domain is checked once ("Check now": look-ups and one visit). From what that left in the
database compose foresees a message under each order; then all of them are queued and worked off.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest
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
from delivery.lab.world import Lab, has_ipv6
from delivery.models import Recipient, State
from delivery.policies import DatabasePolicyStore
from delivery.policy.facts import Proof, Starttls
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


CELLS = [
    pytest.param(name, order, id=f"{name}-{order}")
    for name in PROFILES
    for order in orders_for(name)
]

LATER_WORD = {
    "greylist": Result.DEFERRED,
    "blocklist-mail": Result.FAILED,
    "blocklist-rcpt": Result.FAILED,
    "full": Result.FAILED,
    "rejects-content": Result.FAILED,
    "dualstack": Result.DEFERRED if has_ipv6() else Result.DELIVERED,
}
"""Servers that refuse once TLS is up and the message is spoken of: nobody foresees that."""

NEVER_A_SESSION = ("silent", "busy")
"""Servers that never get as far as EHLO: nothing is known about them, and nothing is claimed."""

IMPATIENT = ("silent", "dns-silent")
"""Domains that answer nothing, for which a little patience is as good as much."""

RESULTS = {
    State.DELIVERED: Result.DELIVERED,
    State.WAITING: Result.DEFERRED,
    State.FAILED: Result.FAILED,
}


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


def config_for(name: str) -> DeliveryConfig:
    """Real patience for most, so that a busy machine changes nothing."""
    config = DeliveryConfig.from_settings()
    scale = 0.01 if name in IMPATIENT else 0.5
    return replace(config, agent=replace(config.agent, time_scale=scale))


async def visited(names: list[str], config: DeliveryConfig) -> list[ProbeReport]:
    async with Agent(config.agent, policies=DatabasePolicyStore(), clock=SystemClock()) as agent:
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


def played(owner: User, names: list[str]) -> dict[tuple[str, str], Cell]:
    """Check these domains, foresee, send, and return what came of it."""
    config = config_for(names[0])
    reports = async_to_sync(visited)(names, config)
    stored.keep_facts([report.facts for report in reports], now=timezone.now())
    pairs = [(name, order) for name in names for order in orders_for(name)]
    blind = {pair: foreseen(owner, pair[0], ORDERS[pair[1]]) for pair in pairs}
    for report in reports:
        evidence.add_probe(owner_id=owner.pk, facts=report.facts, attempts=report.attempts)
    told = {pair: foreseen(owner, pair[0], ORDERS[pair[1]]) for pair in pairs}
    keys = {
        pair: queued(owner, pair[0], number, ORDERS[pair[1]]) for number, pair in enumerate(pairs)
    }
    assert dispatch.drain(config=config, clock=SystemClock(), once=True) is not None
    copies = Recipient.objects.select_related("last_attempt").in_bulk()
    return {
        pair: Cell(blind=blind[pair], foreseen=told[pair], copy=copies[key])
        for pair, key in keys.items()
    }


def settings_of(lab: Lab) -> dict[str, object]:
    found: dict[str, object] = {
        name: int(value) if name.endswith("_PORT") else value
        for name, value in lab.environment.items()
    }
    return found | {"DNS_RESOLVERS": [lab.environment["DNS_RESOLVERS"]]}


@pytest.fixture(scope="module")
def cells(django_db_setup, django_db_blocker) -> dict[tuple[str, str], Cell]:
    """Everything played once, in a lab and a transaction of its own."""
    with running_lab() as lab, django_db_blocker.unblock(), override_settings(**settings_of(lab)):
        host = next(one for one in lab.hosts if one.profile == "downgrade")
        host.counters.connections = -10_000  # Long before the downgrade; see test_downgrade.py.
        with transaction.atomic():
            owner = make_user("alice@mailweb.test", name="Alice", now=timezone.now())
            patient = [name for name in PROFILES if name not in IMPATIENT]
            found = played(owner, patient) | played(owner, list(IMPATIENT))
            host.counters.connections = 10_000
            for (_, order), cell in played(owner, ["downgrade"]).items():
                found["downgraded", order] = cell
            transaction.set_rollback(True)
    return found


DOWNGRADED = [pytest.param("downgraded", order, id=f"downgraded-{order}") for order in ORDERS]
"""The same domain, checked again once it had dropped STARTTLS."""


@pytest.mark.django_db
@pytest.mark.parametrize(("profile", "order"), [*CELLS, *DOWNGRADED])
def test_the_worker_does_what_compose_foresaw(cells, profile, order):
    cell = cells[profile, order]
    foreseen, copy, attempt = cell.foreseen, cell.copy, cell.copy.last_attempt
    if foreseen.result is None:
        assert profile in NEVER_A_SESSION
        assert (cell.result, attempt.starttls) == (Result.DEFERRED, Starttls.UNKNOWN)
        return
    is_through = foreseen.result is Result.DELIVERED
    expected = LATER_WORD.get(profile, foreseen.result) if is_through else foreseen.result
    assert cell.result is expected, copy.last_reply
    assert attempt.stopped_by == foreseen.stopped_by
    if is_through:
        proofs = {Proof(proof) for proof in attempt.verified_by}
        assert (cell.way, proofs, attempt.reason) == (
            foreseen.way,
            foreseen.proofs,
            foreseen.reason,
        )
    else:
        assert copy.reason == foreseen.reason
        assert foreseen.way in (Way.NOT_SENT, Way.UNKNOWN)
        assert "C: MAIL" not in attempt.transcript


@pytest.mark.django_db
@pytest.mark.parametrize(("profile", "order"), CELLS)
def test_look_ups_alone_never_promise_what_does_not_come(cells, profile, order):
    cell = cells[profile, order]
    blind = cell.blind
    if blind.result is not None:
        assert blind.result is cell.result
        assert cell.copy.last_attempt.stopped_by == blind.stopped_by
    elif cell.result is Result.DELIVERED and blind.way is Way.VERIFIED:
        assert cell.way is Way.VERIFIED
    else:
        assert blind.way in (Way.VERIFIED, Way.UNKNOWN)


@pytest.mark.django_db
def test_only_what_is_remembered_keeps_a_default_copy_from_a_server_that_dropped_tls(cells):
    waits = {order: cells["downgraded", order].copy.last_attempt.stopped_by for order in ORDERS}
    assert waits["default"] == "history"
    assert waits["default, never in the clear"] == "tls"
    assert waits["default, plain text pledged"] == waits["optional"] == ""


def test_every_domain_of_the_lab_is_told_apart_from_those_nobody_can_foresee():
    assert {*LATER_WORD, *NEVER_A_SESSION, *IMPATIENT} <= set(PROFILES)
    assert {one.mode for one in ORDERS.values()} == set(Mode)
