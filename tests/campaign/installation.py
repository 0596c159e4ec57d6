"""An installation of several processes on a private PostgreSQL and Redis, and a lab that takes its mail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from delivery.lab.mailbox import Mailbox
from delivery.lab.profiles import PROFILES
from tests.labs import running_lab
from tests.services import PrivatePostgresql, PrivateRedis, private_postgresql, private_redis
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from delivery.lab.behaviour import Profile
    from delivery.lab.world import Lab

CHECKOUT = Path(__file__).parents[2]
NAMES = ("starttls", "pkix", "sts", "dane", "requiretls", "plain")
ACCEPTS_AFTER = 0.4
"""Seconds that every host takes for a message: so all of them take about a minute."""

LEASE_SECONDS = 6

WITNESS = """
CREATE TABLE witness (recipient bigint, old text, new text, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO witness VALUES (NEW.id, OLD.state, NEW.state); RETURN NULL; END $$;
CREATE TRIGGER witness AFTER UPDATE ON delivery_recipient FOR EACH ROW
WHEN (OLD.state = 'sending' AND NEW.state <> 'sending') EXECUTE FUNCTION note();
"""
"""Notes in the database itself how each copy's lease ended, whoever writes it."""


def unhurried(name: str) -> Profile:
    """Return a profile of the lab whose hosts take their time."""
    profile = PROFILES[name]
    hosts = [
        replace(host, smtp=replace(host.smtp, accepts_after=ACCEPTS_AFTER))
        for host in profile.hosts
    ]
    return replace(profile, hosts=tuple(hosts))


@dataclass(slots=True)
class Installation:
    """Its servers, its processes, and what became of the mail."""

    postgresql: PrivatePostgresql
    redis: PrivateRedis
    lab: Lab
    folder: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *command: str) -> str:
        """Run Python beside it, and return what it prints."""
        done = subprocess.run(
            [sys.executable, *command],
            check=False,
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *command: str, name: str) -> subprocess.Popen[bytes]:
        """Start a process that goes on until the end, or until a fault ends it."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=CHECKOUT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def worker(self, name: str) -> subprocess.Popen[bytes]:
        """Start a worker; `set_clock` sets its clock."""
        self.set_clock(name, 0)
        clock = str(self.folder / f"{name}.clock")
        return self.start("-m", "tests.campaign.worker", clock, f"{name}@%h", name=name)

    def set_clock(self, name: str, seconds: int) -> None:
        """Let the clock of a worker be wrong by so much from now on."""
        new = self.folder / f"{name}.new"
        new.write_text(str(seconds), encoding="ascii")
        new.replace(self.folder / f"{name}.clock")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with psycopg.connect(self.postgresql.url, connect_timeout=10) as connection:
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

    def is_settled(self) -> bool:
        """Whether nothing is open; what waits for its next attempt is asked to go now."""
        self.run("manage.py", "queue", "kick", "--state", "waiting")
        time.sleep(1)
        return not self.count("delivery_recipient", "settled_at IS NULL")

    def end(self) -> None:
        """End what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


@contextmanager
def installed(folder: Path, **settings: str) -> Iterator[Installation]:
    """Make an installation, without workers, and end it."""
    with (
        private_postgresql() as database,
        private_redis() as broker,
        running_lab(*map(unhurried, NAMES), pace=1.0) as lab,
    ):
        lab.accepted = Mailbox(max_messages=100_000)
        own = {
            "DJANGO_SETTINGS_MODULE": "mailweb.settings",
            "DATA_DIR": str(folder),
            "DATABASE_URL": database.url,
            "REDIS_URL": broker.url,
            "DELIVERY_LEASE_SECONDS": str(LEASE_SECONDS),
            "LOG_LEVEL": "warning",
            "SENDING_RECIPIENTS_PER_DAY": "100000",
            "SENDING_NEW_RECIPIENTS_PER_DAY": "100000",
        }
        environment = {**os.environ, **lab.environment, **own, **settings}
        environment.pop("CELERY_BROKER_URL", None)
        made = Installation(database, broker, lab, folder, environment)
        made.run("manage.py", "migrate", "-v0")
        with psycopg.connect(database.url) as connection:
            connection.execute(WITNESS)
        try:
            yield made
        finally:
            made.end()
