"""Figures, what was hoped for, and how both are shown and kept."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One thing measured several times."""

    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        """The run in the middle."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Goal:
    """A number that can be compared with what was hoped for."""

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the hope came true."""
        is_enough = self.at_least is None or self.value >= self.at_least
        return is_enough and (self.at_most is None or self.value <= self.at_most)


@dataclass(frozen=True)
class Result:
    """What one scenario showed."""

    scenario: str
    title: str
    figures: list[Figure]
    goals: list[Goal] = field(default_factory=list)


def show(result: Result) -> list[str]:
    """Return the figures as a table, and the goals as sentences."""
    lines = [result.title, f"{'':40}{'median':>10}{'min':>10}{'max':>10}"]
    lines += [
        f"{one.name:40}{one.median:10.2f}{min(one.values):10.2f}{max(one.values):10.2f}  {one.unit}"
        for one in result.figures
    ]
    for goal in result.goals:
        hope = f"at least {goal.at_least}" if goal.at_most is None else f"at most {goal.at_most}"
        met = "met" if goal.is_met else "MISSED"
        lines.append(f"  {goal.what}: {goal.value:.2f} ({hope}: {met})")
    return [*lines, ""]


def keep(results: list[Result], database: str) -> Path:
    """Write the results down with where they were made."""
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    path = folder / f"{at:%Y%m%dT%H%M%SZ}.json"
    document = {
        "at": at.isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "database": database,
        "results": [
            {
                **asdict(one),
                "figures": [{**asdict(each), "median": each.median} for each in one.figures],
                "goals": [{**asdict(goal), "is_met": goal.is_met} for goal in one.goals],
            }
            for one in results
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
