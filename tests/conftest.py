"""What every test can ask for: the cast, a fixed moment, and proof that nothing left the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from celery.signals import before_task_publish
from django.db import connection
from django.test import Client

from mailweb.celery import app
from tests.factories import make_operator, make_user
from tests.loopback import LoopbackGuard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.plugin import DjangoDbBlocker

    from accounts.models import User


PLAYED, SERVERS = "played", {"running", "server", "unbound"}
"""Fixtures that take long and are made once: for a session, and for a module of `tests/peers`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser or a database, so that `-m` can tell the parts of the suite.

    Tests that share what takes long to make are marked to be run by the same process.
    """
    for item in items:
        fixtures, module = set(getattr(item, "fixturenames", ())), item.nodeid.partition("::")[0]
        if "tests/browser/" in module:
            item.add_marker("browser")
        elif item.get_closest_marker("django_db") or "db" in fixtures:
            item.add_marker("database")
        if PLAYED in fixtures:
            item.add_marker(pytest.mark.xdist_group(PLAYED))
        elif "tests/peers/" in module and fixtures & SERVERS:
            item.add_marker(pytest.mark.xdist_group(module))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Before the test database is dropped, end what threads of tests have left open."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if anything connects to, or looks up, another machine."""
    guard = LoopbackGuard()
    guard.install(monkeypatch)
    yield
    guard.check()


@pytest.fixture
def now() -> datetime:
    """The moment at which a test takes place."""
    return datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def alice(db: None, now: datetime) -> User:
    """The owner of the data."""
    return make_user("alice@mailweb.test", name="Alice", now=now)


@pytest.fixture
def bob(db: None, now: datetime) -> User:
    """Shares the domain with alice, and what she sends him."""
    return make_user("bob@mailweb.test", name="Bob", now=now)


@pytest.fixture
def charlie(db: None, now: datetime) -> User:
    """The stranger, who must never see anything of the others."""
    return make_user("charlie@mailweb.test", name="Charlie", now=now)


@pytest.fixture
def operator(db: None) -> User:
    """Runs the installation; has no mail."""
    return make_operator()


def _browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="accounts.backends.AddressBackend")
    return client


@pytest.fixture
def as_alice(alice: User) -> Client:
    """A browser in which alice is logged in."""
    return _browser_of(alice)


@pytest.fixture
def as_bob(bob: User) -> Client:
    """A browser in which bob is logged in."""
    return _browser_of(bob)


@pytest.fixture
def as_charlie(charlie: User) -> Client:
    """A browser in which charlie is logged in."""
    return _browser_of(charlie)


@pytest.fixture
def as_operator(operator: User) -> Client:
    """A browser in which the operator is logged in."""
    return _browser_of(operator)


@pytest.fixture
def started() -> Iterator[list[tuple[str, tuple[object, ...]]]]:
    """The work that was announced, in order: (task name, ids). Nothing is run."""
    seen: list[tuple[str, tuple[object, ...]]] = []

    def note(sender: str, body: tuple[tuple[object, ...], object, object], **_: object) -> None:
        seen.append((sender, tuple(body[0])))

    before_task_publish.connect(note)
    yield seen
    before_task_publish.disconnect(note)


@pytest.fixture
def eager_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run announced work at once, in this process."""
    monkeypatch.setattr(app.conf, "task_always_eager", True)
    monkeypatch.setattr(app.conf, "task_eager_propagates", True)
