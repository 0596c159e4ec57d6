"""`queue run` goes on working, whatever the database does."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from delivery import maintenance
from delivery.management.commands import queue

pytestmark = pytest.mark.django_db(transaction=True)


class EnoughError(Exception):
    """Ends a loop that has no end of its own."""


class ComesBack:
    """A sweep whose database is down at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self, **_: object) -> bool:
        self.calls += 1
        if self.calls <= self.failures:
            raise OperationalError("the database is starting up")
        raise EnoughError


def test_a_database_that_is_down_for_a_while_does_not_end_the_worker(monkeypatch):
    sweep = ComesBack(failures=2)
    monkeypatch.setattr(maintenance, "sweep", sweep)
    monkeypatch.setattr(queue.time, "sleep", lambda _: None)
    with pytest.raises(EnoughError):
        call_command("queue", "run")
    assert sweep.calls == 3


def test_one_pass_says_that_the_database_is_down(monkeypatch):
    monkeypatch.setattr(maintenance, "sweep", ComesBack(failures=1))
    with pytest.raises(CommandError, match="The database can't be used now"):
        call_command("queue", "run", "--once")
