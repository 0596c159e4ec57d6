"""Runs the whole suite: on SQLite, in Chromium, and what needs a database on PostgreSQL and Redis.

`python -m tests [pytest arguments]`: the arguments narrow every part.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from tests.services import MissingServiceError, chromium, postgresql, redis

NOTHING_COLLECTED = 5
IN_TWO = ("--numprocesses=2", "--dist=loadgroup")
ELSEWHERE = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One run of pytest and how it ended."""

    title: str
    status: int
    counts: str

    @property
    def is_good(self) -> bool:
        """Whether nothing failed; a selection that leaves a part empty is no failure."""
        return self.status in {0, NOTHING_COLLECTED}


def run(title: str, *arguments: str, **environment: str) -> Part:
    """Run pytest, show what it prints, and keep its last line."""
    print(f"\n── {title} ──", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", *arguments, *sys.argv[1:]]
    inherited = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    last = ""
    with subprocess.Popen(
        command, env={**inherited, **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line if re.search(r"\d+ \w+.* in [\d.]+s", line) else last
    counts = re.sub(r" in [\d.]+s.*", "", last.strip(" =\n")) or "nothing selected"
    return Part(title=title, status=process.returncode, counts=counts)


def on_services() -> Part:
    """Run what needs a database again, on PostgreSQL and Redis."""
    with ExitStack() as stack:
        return run(
            "PostgreSQL and Redis",
            *IN_TWO,
            "-m database or services",
            DATABASE_URL=stack.enter_context(postgresql()),
            REDIS_URL=stack.enter_context(redis()),
        )


def in_browser() -> Part:
    """Run people's paths in Chromium; what failed has a second try, on a machine that may be busy."""
    options = ("-m browser", "-p", "no:randomly")
    first = run("Chromium", *options, CHROMIUM=chromium())
    if first.is_good:
        return first
    second = run("Chromium, second try", *options, "--last-failed", CHROMIUM=chromium())
    counts = f"{first.counts}; second try: {second.counts}"
    return Part(title="Chromium", status=second.status, counts=counts)


def without(title: str, error: MissingServiceError) -> Part:
    """Say loudly that a part could not run. In CI that is a failure."""
    print(f"\n!! {title} was NOT tested: {error}", flush=True)
    return Part(title=title, status=int(os.environ.get("CI") == "true"), counts="NOT TESTED")


def main() -> int:
    """Run the parts; the last line sums them up."""
    parts = [run("SQLite", *IN_TWO, "-m not browser and not services")]
    for title, part in (("Chromium", in_browser), ("PostgreSQL and Redis", on_services)):
        try:
            parts.append(part())
        except MissingServiceError as error:
            parts.append(without(title, error))
    is_good = all(part.is_good for part in parts)
    summary = "; ".join(f"{part.title}: {part.counts}" for part in parts)
    print(f"\n{'PASSED' if is_good else 'FAILED'}  {summary}", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
