"""A Celery worker whose clock is wrong by as many seconds as a file says, at every moment.

`python -m tests.campaign.worker FILE NAME`
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import django.utils.timezone

import delivery.agent.clock
import delivery.clocks

FILE = Path(sys.argv[1])


class WrongTime(datetime):
    """The time by the clock of this machine, as it has been set."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        seconds = float(FILE.read_text(encoding="ascii") or 0)
        return datetime.now(tz or UTC) + timedelta(seconds=seconds)


def main() -> None:
    """Run the worker in a world in which everybody who asks for the time is told the wrong one."""
    for module in (delivery.agent.clock, delivery.clocks, django.utils.timezone):
        module.datetime = WrongTime  # type: ignore[attr-defined]
    from mailweb.celery import app

    app.worker_main(
        [
            "--quiet",
            "worker",
            "-Q",
            "delivery,default",
            "-c",
            "4",
            "-n",
            sys.argv[2],
            "--without-mingle",
        ]
    )


if __name__ == "__main__":
    main()
