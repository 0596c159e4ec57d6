"""The queue worked off against the lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from delivery import dispatch
from delivery.agent.cache import AnswerCache
from delivery.agent.clock import SystemClock
from delivery.agent.health import Health
from delivery.config import DeliveryConfig
from delivery.drain import DrainReport
from delivery.lab.world import Lab
from tests.delivery.playing import Played, play_everything
from tests.labs import running_lab


@pytest.fixture(scope="session")
def shared_lab() -> Iterator[Lab]:
    """All profiles, with hosts that are slow only a little."""
    with running_lab() as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """The hosts, which know nobody yet, whichever test came before."""
    shared_lab.forget()
    return shared_lab


@pytest.fixture(autouse=True)
def nothing_known_of_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test be turned away by hosts that were in trouble in another."""
    monkeypatch.setattr(dispatch._only_one, "health", Health())
    monkeypatch.setattr(dispatch._only_one, "answers", AnswerCache())


@pytest.fixture
def drain(lab: Lab, settings) -> Callable[[], DrainReport]:
    """Work the queue off in this process."""
    for name, value in lab.environment.items():
        whole = name.endswith("_PORT")
        setattr(settings, name, int(value) if whole else value)
    settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]

    def run() -> DrainReport:
        config = DeliveryConfig.from_settings()
        config = replace(config, agent=replace(config.agent, time_scale=0.1))
        report = dispatch.drain(config=config, clock=SystemClock(), once=True)
        assert report is not None
        return report

    return run


@pytest.fixture(scope="session")
def played(django_db_setup, django_db_blocker) -> Played:
    """What came of playing the whole lab."""
    with django_db_blocker.unblock():
        return play_everything()
