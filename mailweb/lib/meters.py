"""Counters, distributions and levels for Prometheus, shared by all processes of a machine.

Every label value is declared, so that each series exists, at zero, before the first event: only
then does `increase()` see that one. Labels are words of ours; accounts, addresses and domains are
never among them.

To count costs about 2 µs, a distribution 5 µs. What happens several times for each message is
collected in a `Tally`, for a fraction of a microsecond, and added in one go.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

from mailweb.lib.meter_files import Identity

OTHER = "other"
"""What an undeclared value is counted as."""

SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

FOLDER = Path(settings.METRICS_DIR)
FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(FOLDER)
values.ValueClass = values.MultiProcessValue(Identity(FOLDER))

REGISTRY = CollectorRegistry()
"""Holds what is declared; what is shown is read from the files."""

FAMILIES: dict[str, Family] = {}


class Family:
    """One metric with all its label values. `name` is without the `mailweb_` of all of them."""

    kind = ""

    def __init__(self, name: str, meaning: str, **labels: Iterable[str]) -> None:
        self.name = f"mailweb_{name}"
        self.labels = {label: tuple(map(str, found)) for label, found in labels.items()}
        self._parent = self._make(self.name, meaning, tuple(self.labels))
        self._children: dict[tuple[str, ...], Any] = {}
        FAMILIES[self.name] = self

    def _make(self, name: str, meaning: str, labels: Sequence[str]) -> Any:
        raise NotImplementedError

    def child(self, given: tuple[str, ...]) -> Any:
        """Return the series of these label values; values nobody declared count as `other`."""
        found = self._children.get(given)
        if found is None:
            known = zip(self.labels.values(), given, strict=True)
            words = tuple(str(one) if one in may else OTHER for may, one in known)
            found = self._parent.labels(*words) if words else self._parent
            self._children[given] = found
        return found

    def begin(self) -> None:
        """Let every series exist."""
        for words in product(*self.labels.values()):
            self.child(words)


class Count(Family):
    """Something that only grows; shown with `_total` behind its name."""

    kind = "counter"

    def _make(self, name: str, meaning: str, labels: Sequence[str]) -> Any:
        return Counter(name, meaning, labels, registry=REGISTRY)

    def add(self, *given: str, by: float = 1) -> None:
        """Count `by` more; the label values are in the order of their declaration."""
        self.child(given).inc(by)


class _Buckets(Histogram):
    """A histogram that takes many observations at once."""

    def observe_all(self, total: float, numbers: Sequence[int]) -> None:
        """Add observations: their sum, and how many fell into each bucket."""
        self._sum.inc(total)
        for bucket, number in zip(self._buckets, numbers, strict=True):
            if number:
                bucket.inc(number)


class Distribution(Family):
    """How long something takes, in seconds."""

    kind = "histogram"

    def _make(self, name: str, meaning: str, labels: Sequence[str]) -> Any:
        return _Buckets(name, meaning, labels, registry=REGISTRY, buckets=SECONDS)

    def add(self, seconds: float, *given: str) -> None:
        """Add one observation."""
        self.child(given).observe(seconds)


class Level(Family):
    """How much of something there is now, in all processes that live."""

    kind = "gauge"

    def _make(self, name: str, meaning: str, labels: Sequence[str]) -> Any:
        return Gauge(name, meaning, labels, registry=REGISTRY, multiprocess_mode="livesum")

    def set(self, value: float, *given: str) -> None:
        """Say how much there is in this process."""
        self.child(given).set(value)


class Tally:
    """Counts for one thread, cheaply, until `flush` adds them to the rest."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Count, tuple[str, ...]], int] = {}
        self._times: dict[tuple[Distribution, tuple[str, ...]], list[float]] = {}

    def count(self, family: Count, *given: str) -> None:
        """Count one more."""
        key = family, given
        self._counts[key] = self._counts.get(key, 0) + 1

    def time(self, family: Distribution, seconds: float, *given: str) -> None:
        """Note one observation."""
        key = family, given
        noted = self._times.get(key)
        if noted is None:
            noted = self._times[key] = []
        noted.append(seconds)

    def flush(self) -> None:
        """Add what was collected to the rest."""
        counts, self._counts = self._counts, {}
        times, self._times = self._times, {}
        for (count, given), number in counts.items():
            count.add(*given, by=number)
        for (distribution, given), noted in times.items():
            numbers = [0] * (len(SECONDS) + 1)
            for seconds in noted:
                numbers[bisect_left(SECONDS, seconds)] += 1
            distribution.child(given).observe_all(sum(noted), numbers)


def begin(families: Iterable[Family] | None = None) -> None:
    """Let every series of every family exist, at zero: once, by each process that stays."""
    for family in FAMILIES.values() if families is None else families:
        family.begin()
