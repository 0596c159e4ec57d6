"""Run everything with one command: web, workers, beat; with --demo also a world to try it in."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import sys
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections
from django.utils import timezone

from mailweb.lib.static_files import collect_if_changed
from mailweb.lib.supervisor import Child, Supervisor
from mailweb.management.commands.create_demo import make_demo

if TYPE_CHECKING:
    from argparse import ArgumentParser

# Nobody listens to what Celery's workers tell each other, and each connection more can break.
SILENT = ("--without-gossip", "--without-mingle", "--without-heartbeat")
WORKER = ("celery", "--quiet", "-A", "mailweb", "worker", *SILENT)


class Command(BaseCommand):
    """Prepares the data directory, then supervises the processes in the foreground."""

    help = __doc__ or ""
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Read where to listen, and whether it is only for trying out."""
        parser.add_argument("--demo", action="store_true", help="add demo accounts and the lab")
        parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
        parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, run until a signal comes, and leave nothing running."""
        is_demo = options["demo"]
        with _sole_run(), _listen(options["host"], options["port"]) as listener:
            call_command("migrate", interactive=False, verbosity=0)
            collect_if_changed()
            accounts = _create_demo() if is_demo else ""
            _let_go_of_the_database()
            asyncio.run(Run(listener=listener, accounts=accounts, is_demo=is_demo).main())


class Run:
    """One run of all processes."""

    def __init__(self, *, listener: socket.socket, accounts: str, is_demo: bool) -> None:
        self._listener = listener
        self._port = listener.getsockname()[1]
        self._accounts = accounts
        self._is_demo = is_demo
        self._lab_is_up = asyncio.Event()
        self._supervisor = Supervisor(
            folder=settings.BASE_DIR, environment=self._environment(), on_line=self._show
        )

    def _environment(self) -> dict[str, str]:
        public = f"http://127.0.0.1:{self._port}"
        demo = {"DEMO": "1"} if self._is_demo else {}
        return {"BASE_URL": public, **os.environ, **demo, "PYTHONUNBUFFERED": "1"}

    async def main(self) -> None:
        """Run the web and the lab at once; what sends mail waits to hear how the lab is reached."""
        web = _web(self._listener.fileno())
        jobs = [self._supervisor.keep(web), self._keep_the_rest(), self._say_welcome()]
        if self._is_demo:
            jobs.append(self._supervisor.keep(_child("lab", "manage.py", "lab", "--json")))
        else:
            self._lab_is_up.set()
        await self._supervisor.run(*jobs)

    async def _keep_the_rest(self) -> None:
        await self._lab_is_up.wait()
        async with asyncio.TaskGroup() as group:
            for child in CHILDREN:
                group.create_task(self._supervisor.keep(child))

    async def _say_welcome(self) -> None:
        url = self._supervisor.environment["BASE_URL"]
        await _first_answer(self._port, url)
        self._print(f"\nMailweb is ready: {url}/\n{self._accounts}\n\nCtrl-C stops it.\n")

    def _show(self, name: str, line: str) -> None:
        if name == "lab" and line.startswith("{"):  # what it says to programs, not to people
            self._learn_the_lab(json.loads(line))
        elif settings.LOG_FORMAT in {"json", "logfmt"}:
            self._print(line)
        elif line:
            self._print(f"{name:8} | {line}")

    def _learn_the_lab(self, said: dict[str, Any]) -> None:
        """Take over how the lab is reached; those who knew another one start again."""
        environment = said.get("environment", {})
        known = self._supervisor.environment
        if any(known.get(name) != value for name, value in environment.items()):
            known.update(environment)
            self._supervisor.restart(["delivery", "default"])
        self._lab_is_up.set()

    def _print(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _child(name: str, program: str, *arguments: str, keeps: tuple[int, ...] = ()) -> Child:
    how = [program] if program.endswith(".py") else ["-m", program]
    return Child(name=name, command=[sys.executable, *how, *arguments], keeps=keeps)


def _web(listener: int) -> Child:
    """Return the web process; it inherits the socket, so browsers wait while it restarts."""
    how = ("--fd", str(listener), "--verbosity", "0", "mailweb.asgi:application")
    return _child("web", "daphne", *how, keeps=(listener,))


# Look-ups and probes have a worker of their own, so that they never wait behind a long drain.
CHILDREN = (
    _child("delivery", *WORKER, "-Q", "delivery", "-n", "delivery@%h", "-c", "2"),
    _child("default", *WORKER, "-Q", "default", "-n", "default@%h", "-c", "4"),
    _child("beat", "celery", "--quiet", "-A", "mailweb", "beat", "--pidfile="),
)


def _sole_run() -> IO[str]:
    """Lock the data directory: two beats or two web processes on it would work against each other."""
    lock = (settings.DATA_DIR / "up.lock").open("w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CommandError(f"Mailweb runs already from {settings.DATA_DIR}.") from None
    return lock


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None


def _create_demo() -> str:
    """Make what is missing of the demo world, and say how to log in."""
    accounts = make_demo(now=timezone.now())
    return "".join(f"\n  {login:22} {password}" for login, password in accounts)


def _let_go_of_the_database() -> None:
    """Close it: a pool has threads, and a process with threads should not fork."""
    for one in connections.all(initialized_only=True):
        one.close()
        close_pool = getattr(one, "close_pool", None)  # only PostgreSQL has one
        if close_pool:
            close_pool()


async def _first_answer(port: int, url: str) -> None:
    """Ask for the page that everybody sees first, as a browser would, and wait for any answer."""
    public = urlsplit(url)
    request = (
        f"GET /accounts/login/ HTTP/1.1\r\nHost: {public.netloc}\r\n"
        f"X-Forwarded-Proto: {public.scheme}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.encode())
        await reader.read(1)
    finally:
        writer.close()
