"""What the tests need beside Python: a Chromium, PostgreSQL, Redis, RabbitMQ. Found, or started here.

Whatever is started is private, listens on loopback only, and is gone afterwards.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import amqp
import psycopg
import redis as redis_client
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL_POSTGRESQL = "postgres://postgres@127.0.0.1:5432/postgres"
LOCAL_REDIS = "redis://127.0.0.1:6379/15"
SERVED_BY_NOBODY = range(20_000, 32_000)
"""Below the ports that Linux gives to clients."""

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class MissingServiceError(Exception):
    """Something the tests need can't be had on this machine."""


def chromium() -> str:
    """Return the path of a Chromium: the system's, else Debian's, else Playwright's own.

    Raises:
        MissingServiceError: none is there and none could be installed.
    """
    return _system_chromium() or _debian_chromium() or _playwright_chromium()


def _system_chromium() -> str:
    named = os.environ.get("CHROMIUM", "")
    return named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), "")


def _debian_chromium() -> str:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return ""
    print("Installing Chromium with apt-get", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "chromium"]):
        subprocess.run(["apt-get", *arguments], env=quiet, check=False, stdout=subprocess.DEVNULL)
    return _system_chromium()


def _playwright_chromium() -> str:
    from playwright.sync_api import sync_playwright

    print("Installing Chromium with Playwright", flush=True)
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    if subprocess.run(command, check=False).returncode:
        raise MissingServiceError("no Chromium here, and Playwright could not install its own")
    with sync_playwright() as playwright:
        return str(playwright.chromium.executable_path)


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of an empty database, which is dropped afterwards.

    Raises:
        MissingServiceError: no server answers and none is installed.
    """
    with ExitStack() as stack:
        given = os.environ.get("TEST_DATABASE_URL", "")
        server = given or (LOCAL_POSTGRESQL if _answers_sql(LOCAL_POSTGRESQL) else "")
        if not server:
            server = stack.enter_context(private_postgresql()).url
        name = f"mailweb_{secrets.token_hex(4)}"
        _execute(server, "CREATE DATABASE {}", name)
        stack.callback(_execute, server, "DROP DATABASE {} WITH (FORCE)", name)
        yield f"{server.rpartition('/')[0]}/{name}"


def _answers_sql(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _execute(server: str, statement: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


class PrivatePostgresql:
    """A server of its own, on a free port of loopback, that a test may crash."""

    def __init__(self, folder: str) -> None:
        # PostgreSQL refuses to run as root; Debian's package brings a user for it.
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, "postgres", "postgres")
        self._folder, self._binaries = folder, str(_postgresql_binaries())
        self._port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync")

    @property
    def log(self) -> str:
        """What it has had to say."""
        return Path(self._folder, "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self._folder}"
        log = f"{self._folder}/log"
        self._run("pg_ctl", "--silent", "--wait", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """End it at once, without care for those who are connected."""
        self._run("pg_ctl", "--silent", "--wait", "--mode=immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [f"{self._binaries}/{program}", "-D", f"{self._folder}/data", *arguments]
        subprocess.run([*self._as_user, *command], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def private_postgresql() -> Iterator[PrivatePostgresql]:
    """Run a server until the block ends.

    Raises:
        MissingServiceError: none is installed.
    """
    with tempfile.TemporaryDirectory(prefix="mailweb-postgresql-") as folder:
        server = PrivatePostgresql(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _postgresql_binaries() -> Path:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    on_path = shutil.which("pg_ctl")
    found = debian[-1] if debian else on_path and Path(on_path)
    if not found:
        raise MissingServiceError("no PostgreSQL answers on 127.0.0.1, and none is installed")
    return found.parent


@contextmanager
def redis() -> Iterator[str]:
    """Yield the URL of a Redis.

    Raises:
        MissingServiceError: no server answers and none is installed.
    """
    given = os.environ.get("TEST_REDIS_URL", "")
    if given or _answers_redis(LOCAL_REDIS):
        yield given or LOCAL_REDIS
        return
    with private_redis() as server:
        yield server.url


class PrivateRedis:
    """A server of its own, on a free port of loopback, that forgets all when it is restarted."""

    def __init__(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise MissingServiceError("no Redis answers on 127.0.0.1, and none is installed")
        self._port = free_port()
        self._command = [program, "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        while not _answers_redis(self.url):
            if self._process.poll() is not None:
                raise MissingServiceError(f"{self._command[0]} does not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; nothing of what it held is kept."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def private_redis() -> Iterator[PrivateRedis]:
    """Run a server until the block ends.

    Raises:
        MissingServiceError: none is installed.
    """
    server = PrivateRedis()
    server.start()
    try:
        yield server
    finally:
        server.stop()


class PrivateRabbitmq:
    """A node of its own on free ports of loopback, with one account, guest, and nothing in it.

    It has no patience with what is not acknowledged: RabbitMQ's own is half an hour, or none.
    """

    IMPATIENCE_SECONDS = 5

    def __init__(self, folder: Path) -> None:
        self._program, self._folder = _rabbitmq_program(), folder
        self.port = free_port()
        (folder / "plugins").write_text("[].", encoding="ascii")
        (folder / "rabbitmq.conf").touch()
        wait = f"consumer_timeout {self.IMPATIENCE_SECONDS * 1000} channel_tick_interval 1000"
        local = "-kernel inet_dist_use_interface {127,0,0,1}"
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_ALLOW_INPUT": "1",  # else a shell stays between this process and the node
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder),
            "RABBITMQ_NODENAME": "mailweb@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{local} -rabbit {wait}",
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / "out").open("wb") as out:
            for program in ("epmd", self._program):
                self._processes.append(
                    subprocess.Popen(
                        [program],
                        env=self._environment,
                        stdin=subprocess.PIPE,
                        stdout=out,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        node = self._processes[-1]
        while not self._answers():
            if node.poll() is not None:
                raise MissingServiceError(f"{self._program} does not start")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it at once."""
        for process in reversed(self._processes):
            process.kill()
            process.communicate()

    def _answers(self) -> bool:
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2):
                return True
        except (OSError, amqp.AMQPError):
            return False


@contextmanager
def private_rabbitmq() -> Iterator[PrivateRabbitmq]:
    """Run a node until the block ends.

    Raises:
        MissingServiceError: none is installed.
    """
    with tempfile.TemporaryDirectory(prefix="mailweb-rabbitmq-") as folder:
        server = PrivateRabbitmq(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _rabbitmq_program() -> str:
    # Debian's command on the PATH becomes another user, who may not write into our folder.
    debian = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    found = shutil.which(debian) or shutil.which("rabbitmq-server")
    if not found or not shutil.which("epmd"):
        raise MissingServiceError("no RabbitMQ is installed")
    return found


def _answers_redis(url: str) -> bool:
    try:
        return bool(redis_client.Redis.from_url(url, socket_connect_timeout=2).ping())
    except redis_client.RedisError:
        return False


def free_port() -> int:
    """Return a port that is free on every address now, and that no client gets by chance meanwhile."""
    while True:
        port = secrets.choice(SERVED_BY_NOBODY)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
