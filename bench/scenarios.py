"""The scenarios. Each fills queues, starts the clock when they are released, and compares.

All sides deliver to the same sink in the same run, in turn, so that a busy machine is busy for
all of them. A run ends when the sink has accepted the last copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from bench.figures import Figure, Goal, Result
from bench.load import Load, one_each, to_many
from bench.mailweb_worker import Worker
from bench.postfix import Postfix
from bench.signers import Signing
from bench.sink import Sink

Side = Worker | Postfix

MAILWEB, POSTFIX, REUSING = "Mailweb", "Postfix", "Postfix, connections reused"
DKIMPY = "dkimpy"


def one_host(runs: int, database: str) -> Result:
    """2,000 messages to one host."""
    load = one_each(2000, ["pkix.test"])
    figures = _against_postfix(["pkix"], load, runs, database)
    ours, postfix, reusing = (figure.median for figure in figures)
    return Result(
        scenario="one-host",
        title="2,000 messages of 5 KB to one TLS host",
        figures=figures,
        goals=[
            Goal("rate of Mailweb / Postfix", ours / postfix, at_least=3.0),
            Goal("rate of Mailweb / Postfix reusing connections", ours / reusing, at_least=1.5),
        ],
    )


def many_domains(runs: int, database: str) -> Result:
    """2,000 messages to 200 domains, each with a host of its own."""
    load = one_each(2000, [f"pkix-{number}.test" for number in range(200)])
    figures = _against_postfix(["pkix*200"], load, runs, database)
    ours, postfix, _ = (figure.median for figure in figures)
    return Result(
        scenario="many-domains",
        title="2,000 messages of 5 KB to 200 domains on distinct TLS hosts (Postfix without DNS)",
        figures=figures,
        goals=[Goal("rate of Mailweb / Postfix", ours / postfix, at_least=1.0)],
    )


def many_recipients(runs: int, database: str) -> Result:
    """One message to 1,000 recipients."""
    load = to_many(1000, [f"pkix-{number}.test" for number in range(20)])
    return Result(
        scenario="many-recipients",
        title="One message of 5 KB to 1,000 recipients over 20 domains (copies a second)",
        figures=_against_postfix(["pkix*20"], load, runs, database),
    )


def hanging_hosts(runs: int, database: str) -> Result:
    """2,000 messages to a host that is known to answer, alone, and while 200 others hang."""
    load, first = one_each(2000, ["pkix.test"]), one_each(50, ["pkix.test"])
    hanging = one_each(1000, [f"silent-{number}.test" for number in range(200)])
    alone: list[float] = []
    beside: list[float] = []
    with Sink("pkix", "silent*200") as sink:
        for _ in range(runs):
            with Worker(sink.environment, database=database) as worker:
                _run(worker, sink, first, first.copies)
                alone.append(load.copies / _run(worker, sink, load, load.copies))
            with Worker(sink.environment, database=database) as worker:
                _run(worker, sink, first, first.copies)
                worker.fill(hanging)
                worker.release()
                _until(lambda: sink.counts().open >= 200, "200 hosts that hang")
                beside.append(load.copies / _run(worker, sink, load, load.copies))
            _until(lambda: sink.counts().open == 0, "no session left")
    figures = [Figure("alone", "msg/s", alone), Figure("while 200 hosts hang", "msg/s", beside)]
    return Result(
        scenario="hanging-hosts",
        title="2,000 messages to one TLS host, beside 1,000 for 200 hosts that never say a word",
        figures=figures,
        goals=[
            Goal(
                "rate beside hanging hosts / alone",
                figures[1].median / figures[0].median,
                at_least=0.8,
            )
        ],
    )


def open_sessions(runs: int, database: str) -> Result:
    """The memory of a worker with 500 sessions open."""
    domains = [f"slow-{number}.test" for number in range(520)]
    values = []
    with Sink("slow*520") as sink:
        for _ in range(runs):
            with Worker(sink.environment, database=database, DELIVERY_CONCURRENCY="520") as worker:
                worker.fill(one_each(1560, domains))
                worker.release()
                _until(lambda: sink.counts().open >= 500, "500 open sessions")
                values.append(worker.resident_bytes / 1e6)
            _until(lambda: sink.counts().open == 0, "no session left")
    return Result(
        scenario="open-sessions",
        title="Memory of a worker with 500 open TLS sessions",
        figures=[Figure("resident", "MB", values)],
        goals=[Goal("megabytes", max(values), at_most=200.0)],
    )


def backlog(runs: int, database: str) -> Result:
    """The cost of a message, by how many there are."""
    names = {1_000: "1,000 queued", 10_000: "10,000 queued", 100_000: "100,000 queued"}
    costs: dict[int, list[float]] = {size: [] for size in names}
    with Sink("pkix") as sink:
        for _ in range(runs):
            for size, values in costs.items():
                with Worker(sink.environment, database=database) as worker:
                    worker.fill(one_each(size, ["pkix.test"]))
                    values.append(_cpu_of_messages(worker, sink, size) * 1000)
    figures = [Figure(names[size], "ms CPU/msg", values) for size, values in costs.items()]
    return Result(
        scenario="backlog",
        title="What a message costs the worker while so many are due",
        figures=figures,
        goals=[
            Goal(
                "cost with 100,000 queued / with 1,000",
                figures[-1].median / figures[0].median,
                at_most=1.25,
            )
        ],
    )


def signing(runs: int, _database: str) -> Result:
    """What a signature costs, beside dkimpy's."""
    sides, messages = Signing(), 500
    rates: dict[str, list[float]] = {MAILWEB: [], DKIMPY: []}
    for _ in range(runs):
        rates[MAILWEB].append(_rate(sides.ours, messages))
        rates[DKIMPY].append(_rate(sides.dkimpy, messages))
    figures = [Figure(name, "msg/s", values) for name, values in rates.items()]
    ours, theirs = (figure.median for figure in figures)
    return Result(
        scenario="signing",
        title="DKIM signatures (RSA-2048) of messages of 5 KB, on one core, no delivery",
        figures=figures,
        goals=[Goal("rate of Mailweb / dkimpy", ours / theirs, at_least=1.0)],
    )


SCENARIOS: dict[str, Callable[[int, str], Result]] = {
    "one-host": one_host,
    "many-domains": many_domains,
    "many-recipients": many_recipients,
    "hanging-hosts": hanging_hosts,
    "open-sessions": open_sessions,
    "backlog": backlog,
    "signing": signing,
}


def _against_postfix(populations: list[str], load: Load, runs: int, database: str) -> list[Figure]:
    """Deliver a load in turn with Mailweb and with Postfix, both ways it has."""
    with Sink(*populations) as sink, ExitStack() as stack:
        hosts, environment = sink.hosts, sink.environment
        sides: dict[str, Side] = {
            MAILWEB: stack.enter_context(Worker(sink.environment, database=database)),
            POSTFIX: stack.enter_context(Postfix(hosts=hosts, environment=environment)),
            REUSING: stack.enter_context(Postfix(hosts=hosts, environment=environment, reuse=True)),
        }
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(runs):
            for name, side in sides.items():
                rates[name].append(load.copies / _run(side, sink, load, load.copies))
    return [Figure(name, "msg/s", values) for name, values in rates.items()]


def _run(side: Side, sink: Sink, load: Load, copies: int) -> float:
    """Fill, hold, release; return the seconds from then until so many more copies were accepted."""
    side.fill(load)
    before = sink.counts().recipients
    side.release()
    return sink.wait_for(before + copies, since=time.perf_counter())


def _cpu_of_messages(worker: Worker, sink: Sink, size: int) -> float:
    """Return the processor seconds a message: of all messages, or of 10,000 after the first 1,000.

    All means until they are written down as delivered, so the first look-up counts as well.
    """
    before = sink.counts().recipients
    cpu, started = worker.cpu_seconds, time.perf_counter()
    worker.release()
    if size <= 10_000:
        sink.wait_for(before + size, since=started)
        time.sleep(1)
        return (worker.cpu_seconds - cpu) / size
    sink.wait_for(before + 1_000, since=started)
    at, cpu = sink.counts().recipients, worker.cpu_seconds
    sink.wait_for(before + 11_000, since=started)
    return (worker.cpu_seconds - cpu) / (sink.counts().recipients - at)


def _rate(step: Callable[[], None], times: int) -> float:
    """Return how often a second a step can be done."""
    started = time.perf_counter()
    for _ in range(times):
        step()
    return times / (time.perf_counter() - started)


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)
