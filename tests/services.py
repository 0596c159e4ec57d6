"""What the tests need beside Python: a Chromium, a PostgreSQL, a Redis. Found, or started here.

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

import psycopg
import redis as redis_client
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL_POSTGRESQL = "postgres://postgres@127.0.0.1:5432/postgres"
LOCAL_REDIS = "redis://127.0.0.1:6379/15"
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
            server = stack.enter_context(_private_postgresql())
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


@contextmanager
def _private_postgresql() -> Iterator[str]:
    binaries = str(_postgresql_binaries())
    # PostgreSQL refuses to run as root; Debian's package brings a user for it.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="mailweb-postgresql-") as folder:
        if as_user:
            shutil.chown(folder, "postgres", "postgres")
        data, port = f"{folder}/data", free_port()
        initdb = [f"{binaries}/initdb", "--auth=trust", "--username=postgres", "-D", data]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
        control = [f"{binaries}/pg_ctl", "--silent", "--wait", "-D", data]
        start = [*control, "-l", f"{folder}/log", "-o", options, "start"]
        for command in (initdb, start):
            subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL)
        try:
            yield f"postgres://postgres@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*as_user, *control, "--mode=immediate", "stop"], check=True)


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
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    if server is None:
        raise MissingServiceError("no Redis answers on 127.0.0.1, and none is installed")
    port = free_port()
    with subprocess.Popen(
        [server, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdout=subprocess.DEVNULL,
    ) as process:
        url = f"redis://127.0.0.1:{port}/0"
        while not _answers_redis(url):
            if process.poll() is not None:
                raise MissingServiceError(f"{server} does not start")
            time.sleep(0.05)
        yield url
        process.terminate()


def _answers_redis(url: str) -> bool:
    try:
        return bool(redis_client.Redis.from_url(url, socket_connect_timeout=2).ping())
    except redis_client.RedisError:
        return False


def free_port() -> int:
    """Return a port on loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
