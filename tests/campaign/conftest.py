"""What the installations of a test run share: servers that start slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaign.installation import prepare
from tests.peers.servers.presence import missing
from tests.services import (
    MissingServiceError,
    PrivatePostgresql,
    PrivateRabbitmq,
    private_postgresql,
    private_rabbitmq,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with these: they take longest, and those that run in one process share its servers."""
    items.sort(key=lambda item: "tests/campaign/" not in item.nodeid)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgresql]:
    """A server that tests may crash if they start it again; each installation has a database in it."""
    with private_postgresql() as server:
        prepare(server, tmp_path_factory.mktemp("prepared"))
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[PrivateRabbitmq]:
    """A node with nothing in it."""
    try:
        with private_rabbitmq() as server:
            yield server
    except MissingServiceError:
        missing("RabbitMQ")
