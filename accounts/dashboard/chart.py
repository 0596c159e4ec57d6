"""Columns by week, stacked by level of protection, as rectangles of one SVG.

The drawing is 1080 by 232 at one to one; a narrower page shows the weeks at its right end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

WIDTH, HEIGHT = 1080, 232
FOOT = 200
PITCH, COLUMN, LEFT = 52, 28, 12
TALLEST = 160
MOST_LINES = 3.5


class Level(IntEnum):
    """How a copy travelled, the strongest first: at the base of a column."""

    REQUIRETLS = 1
    VERIFIED = 2
    TLS = 3
    PLAIN = 4


STROKED = (Level.TLS, Level.PLAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """One piece of a column."""

    level: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word in the drawing."""

    x: float
    y: float
    text: str
    is_strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A horizontal line of the scale."""

    y: float
    text: str

    @property
    def text_y(self) -> float:
        """Where its number stands."""
        return self.y + 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Everything that is drawn."""

    rects: tuple[Rect, ...]
    labels: tuple[Label, ...]
    lines: tuple[Line, ...]
    span_from: float
    span_to: float

    @property
    def span_path(self) -> str:
        """The bracket over the weeks that the table counts, open where its words stand."""
        gap = 50
        return (
            f"M{self.span_from} 14V8H{self.span_middle - gap}"
            f"M{self.span_middle + gap} 8H{self.span_to}V14"
        )

    @property
    def span_middle(self) -> float:
        """Where the words of the marked weeks stand."""
        return (self.span_from + self.span_to) / 2


def draw(weeks: Sequence[date], counts: Mapping[date, Mapping[Level, int]], marked: int) -> Chart:
    """Return the chart of `weeks`, the last of which is still running.

    `marked` is how many weeks at the end the table below the chart counts.
    """
    largest = max((sum(counts.get(week, {}).values()) for week in weeks), default=0) or 1
    per_copy = TALLEST / largest
    step = _step(largest)
    rects = [
        rect
        for index, week in enumerate(weeks)
        for rect in _column(LEFT + PITCH * index, counts.get(week, {}), per_copy)
    ]
    lines = tuple(
        Line(y=round(FOOT - number * per_copy) + 0.5, text=str(number))
        for number in range(0, largest + 1, step)
    )
    return Chart(
        rects=tuple(rects),
        labels=_labels(weeks),
        lines=lines,
        span_from=LEFT + PITCH * max(0, len(weeks) - marked) - 0.5,
        span_to=LEFT + PITCH * (len(weeks) - 1) + COLUMN + 0.5,
    )


def _step(largest: int) -> int:
    """Return what one line of the scale counts: 1, 2, 5, 10, 20, 50, …"""
    scale = 1
    while True:
        for step in (scale, 2 * scale, 5 * scale):
            if largest <= MOST_LINES * step:
                return step
        scale *= 10


def _column(x: float, counts: Mapping[Level, int], per_copy: float) -> list[Rect]:
    """Return one week, from the foot up, with a gap of one pixel between levels."""
    foot, pieces = float(FOOT - 1), []
    for level in Level:
        if not counts.get(level):
            continue
        height = max(3.0, round(counts[level] * per_copy) - 1.0)
        # An outline is drawn on the middle of its edge, half inside and half outside.
        inset = 0.5 if level in STROKED else 0.0
        pieces.append(
            Rect(
                level=level.value,
                x=x + inset,
                y=foot - height + inset,
                width=COLUMN - 2 * inset,
                height=height - 2 * inset,
            )
        )
        foot -= height + 1
    return pieces


def _labels(weeks: Sequence[date]) -> tuple[Label, ...]:
    """Return the first day of each week; its month where it changes, and Now at the end."""
    labels = []
    for index, week in enumerate(weeks):
        is_new = index == 0 or week.month != weeks[index - 1].month
        is_last = index == len(weeks) - 1
        text = "Now" if is_last else f"{week.day} {week:%b}" if is_new else str(week.day)
        x = LEFT + PITCH * index + COLUMN / 2
        labels.append(Label(x=x, y=222, text=text, is_strong=is_last))
    return tuple(labels)
