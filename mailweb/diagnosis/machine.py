"""The data directory, the database, what connects the processes, the clock, the roots."""

from __future__ import annotations

import ctypes
import os
import shutil
import ssl
import sys
import tempfile
from pathlib import Path

import redis
from amqp import AMQPError
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import KombuError

from mailweb.celery import app
from mailweb.diagnosis.finding import Finding, fail, ok, warn
from mailweb.lib.relay import Sender

LEAST_FREE_BYTES = 1024**3
LEAST_ROOTS = 50

TIMEX_BYTES = 256
TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""


def data_directory() -> Finding:
    """Look at who may read it, whether it can be written, and how much room is left."""
    name, path = "data directory", Path(settings.DATA_DIR)
    try:
        with tempfile.NamedTemporaryFile(dir=path):
            free = shutil.disk_usage(path).free
    except OSError as error:
        return fail(
            name, f"{path} can't be written: {error.strerror}.", "Set DATA_DIR, or its owner."
        )
    if path.stat().st_mode & 0o077:
        return warn(name, f"Others on this machine can look into {path}.", f"chmod 700 {path}")
    if free < LEAST_FREE_BYTES:
        return warn(name, f"{free // 1024**2} MiB are left in {path}.", "Make room; mail needs it.")
    return ok(name, f"{path} is private and has {free / 1024**3:.0f} GiB left.")


def database() -> Finding:
    """Look whether it answers, has this version's tables, and survives a loss of power."""
    name = "database"
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return fail(name, f"It does not answer: {error}.", "Check DATABASE_URL and the server.")
    if missing:
        return fail(name, f"{len(missing)} migrations are missing.", "Run manage.py migrate.")
    version = ".".join(map(str, _database_version()))
    if connection.vendor != "sqlite":
        return ok(name, f"{connection.display_name} {version} answers and is up to date.")
    with connection.cursor() as cursor:
        journal = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        durability = cursor.execute("PRAGMA synchronous").fetchone()[0]
    if (journal, durability) != ("wal", 2):
        return warn(
            name, f"SQLite keeps its journal as {journal}.", "Keep DATA_DIR on a local disk."
        )
    return ok(name, f"SQLite {version} is up to date and writes through to the disk.")


def _database_version() -> tuple[int, ...]:
    connection.ensure_connection()
    return tuple(connection.get_database_version())


def broker() -> Finding:
    """Look whether work can be announced."""
    name = "broker"
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=5)
            where = broker.transport.driver_name
    except (OSError, KombuError, AMQPError) as error:
        remedy = "Check REDIS_URL or CELERY_BROKER_URL. No mail is lost meanwhile; it waits."
        return fail(name, f"Workers can't be told of new mail: {error}.", remedy)
    return ok(name, f"Workers can be told of new mail (by {where}).")


def live_updates() -> Finding:
    """Look whether open pages can be told that something changed."""
    name = "live updates"
    remedy = "Until then pages show changes when they are loaded again."
    if settings.REDIS_URL:
        try:
            redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5).ping()
        except redis.RedisError as error:
            return fail(name, f"Redis does not answer: {error}.", f"Check REDIS_URL. {remedy}")
        return ok(name, "Redis passes them on.")
    relay = Sender(Path(settings.DATA_DIR) / "layer.sock")
    if relay.send(("group_send", "doctor", {"type": "account.event"})):
        relay.close()
        return ok(name, "The web process passes them on.")
    return warn(name, "No web process runs here, or nobody has opened a page yet.", remedy)


def clock() -> Finding:
    """Ask the kernel whether something keeps the clock right; certificates depend on it."""
    name = "clock"
    if not sys.platform.startswith("linux"):
        return warn(name, "Nobody can be asked about the clock here.", "See that NTP is running.")
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    if state < 0:
        why = os.strerror(ctypes.get_errno())
        return warn(name, f"The kernel does not say: {why}.", "See that NTP is running.")
    if state == TIME_ERROR:
        remedy = "Run an NTP client, such as systemd-timesyncd or chrony."
        return warn(name, "Nothing keeps the clock right; certificates are judged by it.", remedy)
    return ok(name, "The kernel says that the clock is synchronised.")


def certificate_authorities() -> Finding:
    """Count who is trusted to vouch for servers."""
    name = "certificate authorities"
    try:
        system = _certificates_in(ssl.get_default_verify_paths().cafile or "")
        own = _certificates_in(settings.TLS_CA_FILE)
    except OSError as error:
        return fail(name, f"They can't be read: {error}.", "Check TLS_CA_FILE.")
    if settings.TLS_CA_FILE and not own:
        return fail(name, f"{settings.TLS_CA_FILE} has no certificate.", "It must be in PEM form.")
    if system < LEAST_ROOTS:
        remedy = "Install the package ca-certificates."
        return warn(name, "This system has hardly any; a bundled list is used.", remedy)
    return ok(name, f"{system} of the system are trusted, and {own} of TLS_CA_FILE.")


def _certificates_in(path: str) -> int:
    return Path(path).read_bytes().count(b"-----BEGIN CERTIFICATE-----") if path else 0


def deployment() -> Finding:
    """Run Django's own checks for a public installation."""
    name = "settings"
    if settings.DEMO:
        return warn(
            name, "This is the demo: everybody knows its passwords.", "Keep it on loopback."
        )
    if os.geteuid() == 0:
        return warn(name, "This runs as root.", "Give Mailweb a user of its own.")
    found = [
        one for one in checks.run_checks(include_deployment_checks=True) if not one.is_silenced()
    ]
    if found:
        first = str(found[0].msg).split(". ", 1)[0]
        remedy = "manage.py check --deploy lists them all."
        return warn(name, f"{len(found)} could be safer; the first: {first}.", remedy)
    return ok(name, f"They are fit for {settings.BASE_URL}.")
