"""`make bench`: run, print a table with ratios, keep the figures as JSON in bench/results/."""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import postfix
from bench.mailweb_worker import Worker
from bench.sink import Sink

SIZE = 5120
PROFILE = "pkix"
TO = f"friend@{PROFILE}.test"


@dataclass(frozen=True)
class Figure:
    """One contender: seconds of every run, and messages per second of the median run."""

    name: str
    seconds: list[float]
    messages: int

    @property
    def rate(self) -> float:
        """Messages per second of the median run."""
        return self.messages / statistics.median(self.seconds)


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def one_run(side: Worker | postfix.Postfix, sink: Sink, messages: int) -> float:
    """Fill, hold, release; return the seconds until the last message was accepted."""
    side.fill(messages, SIZE, TO)
    before = sink.counts()["messages"]
    started = time.perf_counter()
    side.release()
    return sink.wait_for(before + messages, since=started)


def one_tls_host(messages: int, runs: int, database_url: str) -> list[Figure]:
    """Deliver to one TLS host, in turn: Mailweb, Postfix, Postfix with connections reused."""
    with Sink(PROFILE) as sink, ExitStack() as stack:
        host = dict(sink.domains[f"{PROFILE}.test"]).popitem()[1]
        relay = {
            "host": host,
            "port": sink.environment["SMTP_PORT"],
            "ca_file": sink.environment["TLS_CA_FILE"],
        }
        sides: dict[str, Worker | postfix.Postfix] = {
            "Mailweb": stack.enter_context(Worker(sink.environment, database_url=database_url))
        }
        for name, reuse in (("Postfix", False), ("Postfix, connections reused", True)):
            sides[name] = stack.enter_context(
                postfix.Postfix(**relay, listen=free_port(), reuse=reuse)
            )
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(runs):
            for name, side in sides.items():
                seconds[name].append(one_run(side, sink, messages))
    return [Figure(name=name, seconds=taken, messages=messages) for name, taken in seconds.items()]


def show(title: str, figures: list[Figure]) -> list[str]:
    """Return the table: medians, spread, and the ratio of Mailweb's rate to each peer's."""
    ours = figures[0].rate
    lines = [title, f"{'':30}{'msg/s':>8}{'median s':>10}{'min':>8}{'max':>8}{'ratio':>8}"]
    for one in figures:
        median, low, high = statistics.median(one.seconds), min(one.seconds), max(one.seconds)
        ratio = "" if one is figures[0] else f"{ours / one.rate:8.2f}"
        lines.append(f"{one.name:30}{one.rate:8.0f}{median:10.2f}{low:8.2f}{high:8.2f}{ratio}")
    return lines


def keep(title: str, figures: list[Figure]) -> Path:
    """Write the figures down."""
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    path = folder / f"{at:%Y%m%dT%H%M%SZ}.json"
    document = {
        "at": at.isoformat(),
        "title": title,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "message_bytes": SIZE,
        "figures": [{**asdict(one), "per_second": one.rate} for one in figures],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--database-url", default="", help="PostgreSQL instead of SQLite")
    options = parser.parse_args()
    if not postfix.is_installed():
        postfix.install()
    database = "PostgreSQL" if options.database_url else "SQLite"
    title = f"{options.messages} messages of 5 KB to one TLS host ({database})"
    figures = one_tls_host(options.messages, options.runs, options.database_url)
    print("\n".join(show(title, figures)))
    print(f"kept in {keep(title, figures).relative_to(Path.cwd())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
