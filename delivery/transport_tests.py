"""Trying a transport without mail: connect, TLS, log in, QUIT; and telling what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.utils import timezone

from delivery import transports
from delivery.agent.agent import Agent
from delivery.agent.clock import SystemClock
from delivery.agent.trial import Trial
from delivery.config import DeliveryConfig
from delivery.models import Transport
from delivery.policies import DatabasePolicyStore
from delivery.policy.transport import Kind
from delivery.tokens import DatabaseTokens


class Finding(NamedTuple):
    """One line of a test: what was tried, and what came of it."""

    step: str
    words: str


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test found."""

    works: bool
    findings: tuple[Finding, ...]


async def test(row: Transport) -> Tested:
    """Try the transport as it is set up, paused or not; nothing is stored but a new token."""
    via = await sync_to_async(transports.usable_value_of)(row, now=timezone.now())
    if via.barred is not None:
        return Tested(False, (Finding("settings", via.barred.public),))
    if via.kind is Kind.FAIL and via.refusal is not None:
        return Tested(True, (Finding("reply", f"Every copy gets: {via.refusal.last_reply}"),))
    if via.kind is Kind.DIRECT:
        sources = ", ".join(via.sources) or "the usual addresses"
        words = (
            f"Mail goes to the recipients’ own servers, from {sources}. There is nothing to try."
        )
        return Tested(True, (Finding("way", words),))
    config, clock = DeliveryConfig.from_settings(), SystemClock()
    async with Agent(
        config.agent, policies=DatabasePolicyStore(), clock=clock, tokens=DatabaseTokens()
    ) as agent:
        trials = await agent.try_out(via)
    return Tested(
        works=any(trial.works for trial in trials),
        findings=tuple(Finding(*line) for trial in trials for line in _told(trial)),
    )


test.__test__ = False  # type: ignore[attr-defined]


def _told(trial: Trial) -> list[tuple[str, str]]:
    return [(trial.place, words) for words in trial.words]
