"""An installation of several processes on servers of its own, and a lab that takes its mail."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from delivery.lab.mailbox import Mailbox
from delivery.lab.profiles import PROFILES
from tests.campaign.fill import RECIPIENTS
from tests.campaign.nursery import Child, Nursery
from tests.labs import running_lab
from tests.services import PrivatePostgresql, PrivateRedis, private_redis
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from delivery.lab.behaviour import Profile
    from delivery.lab.world import Lab

CHECKOUT = Path(__file__).parents[2]
NAMES = ("starttls", "pkix", "sts", "dane", "requiretls", "plain")
PREPARED = "prepared"
LEASE_SECONDS = 6
SETTLES_WITHIN_SECONDS = 240
RUNS_WITHIN_SECONDS = 240
PARALLEL = {"DELIVERY_CONCURRENCY": "12", "DELIVERY_CONCURRENCY_PER_HOST": "6"}

WITNESS = """
CREATE TABLE witness (recipient bigint, old text, new text, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO witness VALUES (NEW.id, OLD.state, NEW.state); RETURN NULL; END $$;
CREATE TRIGGER witness AFTER UPDATE ON delivery_recipient FOR EACH ROW
WHEN (OLD.state = 'sending' AND NEW.state <> 'sending') EXECUTE FUNCTION note();
"""
"""Notes in the database itself how each copy's lease ended, whoever writes it."""


def unhurried(name: str) -> Profile:
    """Return a profile of the lab whose hosts take a message as slowly as their pace tells."""
    profile = PROFILES[name]
    hosts = [replace(host, smtp=replace(host.smtp, accepts_after=1.0)) for host in profile.hosts]
    return replace(profile, hosts=tuple(hosts))


@dataclass(slots=True)
class Installation:
    """Its servers, its processes, and what became of the mail."""

    postgresql: PrivatePostgresql
    redis: PrivateRedis
    lab: Lab
    database: str
    folder: Path
    nursery: Nursery
    processes: list[Child] = field(default_factory=list)

    def run(self, module: str, *arguments: str) -> None:
        """Run a module to its end."""
        process = self.start(module, *arguments, name=module)
        assert process.wait(RUNS_WITHIN_SECONDS) == 0, self.log(module)

    def start(self, module: str, *arguments: str, name: str) -> Child:
        """Start a process that goes on until the end, or until a fault ends it."""
        process = self.nursery.start(module, *arguments, log=self.folder / f"{name}.log")
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        """Return what the process of this name has printed."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def worker(self, name: str) -> Child:
        """Start a worker; `set_clock` sets its clock."""
        self.set_clock(name, 0)
        clock = str(self.folder / f"{name}.clock")
        return self.start("tests.campaign.worker", clock, f"{name}@%h", name=name)

    def beat(self, name: str = "beat") -> Child:
        """Start a beat."""
        return self.start("celery", "-q", "-A", "mailweb", "beat", name=name)

    def fill(self, copies: int) -> None:
        """Queue mail."""
        before = self.count("delivery_recipient")
        self.run("tests.campaign.fill", str(copies // RECIPIENTS))
        assert self.count("delivery_recipient") == before + copies

    def hosts_take(self, seconds: float) -> None:
        """Let every host take so long for a message from now on."""
        for host in self.lab.hosts:
            host.pace = seconds

    def set_clock(self, name: str, seconds: int) -> None:
        """Let the clock of a worker be wrong by so much from now on."""
        new = self.folder / f"{name}.new"
        new.write_text(str(seconds), encoding="ascii")
        new.replace(self.folder / f"{name}.clock")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with psycopg.connect(self.database, connect_timeout=10) as connection:
            return connection.execute(statement).fetchall()

    def count(self, table: str, where: str = "true") -> int:
        """Count rows."""
        statement = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608
        return int(str(self.query(statement)[0][0]))

    def are_at_work(self, workers: int) -> bool:
        """Whether so many workers work the queue off together."""
        return self.count("delivery_worker", "is_at_work") == workers

    def accepted(self) -> Counter[str]:
        """Return how many copies the lab's hosts took, by recipient."""
        return Counter(one for message in self.lab.accepted.all() for one in message.recipients)

    def reaches(self, copies: int, seconds: float = 30) -> None:
        """Wait until the lab's hosts have so many copies; not for ever, whatever was broken before."""
        eventually(
            lambda: sum(host.counters.recipients for host in self.lab.hosts) >= copies,
            seconds=seconds,
        )

    def lost_leases(self) -> Counter[str]:
        """Return how often a copy was put back while somebody was at it, by recipient."""
        return Counter(
            str(row[0])
            for row in self.query(
                "SELECT address FROM witness JOIN delivery_recipient ON id = recipient"
                " WHERE new = 'queued'"
            )
        )

    def settles(self) -> bool:
        """Wait until nothing is open."""
        return eventually(self._is_settled, seconds=SETTLES_WITHIN_SECONDS)

    def _is_settled(self) -> bool:
        """Whether nothing is open; if all that is open waits for its next attempt, that shall go now."""
        unsettled, waiting = self.query(
            "SELECT count(*), count(*) FILTER (WHERE state = 'waiting')"
            " FROM delivery_recipient WHERE settled_at IS NULL"
        )[0]
        if waiting and waiting == unsettled:
            self.run("manage", "queue", "kick", "--state", "waiting")
        return not unsettled

    def end(self) -> None:
        """End what still runs."""
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self.nursery.end()


def prepare(server: PrivatePostgresql, folder: Path) -> None:
    """Make the database that those of installations are copies of."""
    own = {"DATABASE_URL": _database(server, PREPARED), "DATA_DIR": str(folder)}
    _execute(server, f"CREATE DATABASE {PREPARED}")
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"],
        check=True,
        cwd=CHECKOUT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "mailweb.settings", **own},
    )
    with psycopg.connect(own["DATABASE_URL"]) as connection:
        connection.execute(WITNESS)


def _execute(server: PrivatePostgresql, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement)


def _database(server: PrivatePostgresql, name: str) -> str:
    return f"{server.url.rpartition('/')[0]}/{name}"


@contextmanager
def installed(
    folder: Path, postgresql: PrivatePostgresql, **settings: str
) -> Iterator[Installation]:
    """Make an installation in a server that is prepared, without workers, and end it."""
    name = f"installation_{secrets.token_hex(4)}"
    _execute(postgresql, f"CREATE DATABASE {name} TEMPLATE {PREPARED}")
    with private_redis() as redis, running_lab(*map(unhurried, NAMES)) as lab:
        lab.accepted = Mailbox(max_messages=100_000)
        own = {
            "DJANGO_SETTINGS_MODULE": "mailweb.settings",
            "DATA_DIR": str(folder),
            "DATABASE_URL": _database(postgresql, name),
            "REDIS_URL": redis.url,
            "CELERY_BROKER_URL": redis.url,
            "DELIVERY_LEASE_SECONDS": str(LEASE_SECONDS),
            "LOG_LEVEL": "warning",
            "SENDING_RECIPIENTS_PER_DAY": "0",
            "SENDING_NEW_RECIPIENTS_PER_DAY": "0",
            **PARALLEL,
        }
        environment = {**os.environ, **lab.environment, **own, **settings}
        nursery = Nursery(folder=CHECKOUT, environment=environment)
        made = Installation(postgresql, redis, lab, _database(postgresql, name), folder, nursery)
        try:
            yield made
        finally:
            made.end()
