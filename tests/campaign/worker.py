"""A Celery worker whose clock is wrong by as many seconds as a file says, at every moment.

`python -m tests.campaign.worker FILE NAME`. On SIGUSR2 something breaks in the midst of Celery.
"""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NoReturn

import celery.bin.celery
import django
import django.utils.timezone
from celery.signals import worker_ready

import delivery.agent.clock
import delivery.clocks

FILE = Path(sys.argv[1])


class WrongTime(datetime):
    """The time by the clock of this machine, as it has been set."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        seconds = float(FILE.read_text(encoding="ascii") or 0)
        return datetime.now(tz or UTC) + timedelta(seconds=seconds)


class CeleryBrokeError(Exception):
    """Nobody foresaw it."""


@worker_ready.connect
def break_when_told(**_: object) -> None:
    """Python runs handlers of signals in the main thread: there Celery's loop is."""
    signal.signal(signal.SIGUSR2, _break)


def _break(*_: object) -> NoReturn:
    raise CeleryBrokeError


def main(name: str) -> None:
    """Run the worker in a world in which everybody who asks for the time is told the wrong one."""
    for module in (delivery.agent.clock, delivery.clocks, django.utils.timezone):
        module.datetime = WrongTime  # type: ignore[attr-defined]
    django.setup()
    from mailweb.management.commands.up import SILENT  # needs the loaded apps

    how = ("-A", "mailweb", "worker", *SILENT, "-Q", "delivery,default", "-n", name)
    sys.argv[1:] = ["--quiet", *how]
    celery.bin.celery.main()  # ends the process, with the status that Celery's own command has


if __name__ == "__main__":
    main(sys.argv[2])
