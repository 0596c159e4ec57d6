"""A small HTTP listener for machines that run workers and no web process (METRICS_LISTEN).

Every worker tries to have it; the one that does speaks for all processes of the machine, and when
it ends another takes over.

It lives inside a worker, so it may cost that nothing: a few connections at a time, each for some
seconds in all, however slowly its other end writes or reads.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from mailweb.metrics import CONTENT_TYPE, asker, exposition, may_ask

TAKES_OVER_AFTER_SECONDS = 5.0
REQUEST_SECONDS = 10.0
MOST_CONNECTIONS = 8
WAITS_FOR_ROOM_SECONDS = 1.0

logger = logging.getLogger(__name__)


def endpoint(text: str) -> tuple[str, int]:
    """Read `address:port`; an IPv6 address stands in brackets.

    Raises:
        ImproperlyConfigured: it is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ImproperlyConfigured(f"METRICS_LISTEN is address:port, not {text!r}.")
    return host.strip("[]") or "127.0.0.1", int(port)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET /metrics, and nothing else."""

    timeout = REQUEST_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Show the numbers to who may see them."""
        self.server.has_asked(self.connection)
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"Only /metrics is here.\n")
        elif not may_ask(
            asker(self.client_address[0], self.headers), self.headers.get("Authorization", "")
        ):
            self._answer(403, b"For this machine, or with METRICS_TOKEN.\n")
        else:
            try:
                self._answer(200, exposition(), CONTENT_TYPE)
            finally:
                connections.close_all()

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Name no versions."""
        return "Mailweb"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the library
        """Leave no line for each question."""


class _Server(ThreadingHTTPServer):
    """One thread for each connection, and few of them."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *arguments: Any) -> None:
        self._room = threading.Condition()
        self._ends_at: dict[socket.socket, float] = {}
        self._silent: dict[socket.socket, None] = {}
        super().__init__(*arguments)

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._ends_at)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve somebody, in place of whoever has said nothing for longest if there are many."""
        with self._room:
            if self.connections >= MOST_CONNECTIONS and self._silent:
                self._cut_off(next(iter(self._silent)))
            has_room = self._room.wait_for(
                lambda: self.connections < MOST_CONNECTIONS, WAITS_FOR_ROOM_SECONDS
            )
            if has_room:
                self._ends_at[request] = time.monotonic() + REQUEST_SECONDS
                self._silent[request] = None
        if has_room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def has_asked(self, request: socket.socket) -> None:
        """Note that somebody has sent a whole request: no newcomer takes their place."""
        with self._room:
            self._silent.pop(request, None)

    def service_actions(self) -> None:
        """Cut off who has had all the time there is; called again and again."""
        now = time.monotonic()
        with self._room:
            for request in [one for one, ends_at in self._ends_at.items() if ends_at <= now]:
                self._cut_off(request)

    def _cut_off(self, request: socket.socket) -> None:
        """End a connection, so that its thread ends too; it is still open while it is listed."""
        self._silent.pop(request, None)
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # its other end was faster

    def shutdown_request(self, request: Any) -> None:
        """Make room for the next."""
        with self._room:
            self._ends_at.pop(request, None)
            self._silent.pop(request, None)
            self._room.notify_all()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Somebody who goes away in the middle is no news."""
        logger.debug("metrics not delivered", extra={"to": str(client_address)})


class Listener(threading.Thread):
    """Listens as soon as nobody else does, until it is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(name="metrics", daemon=True)
        self._endpoint = endpoint(text)
        self._ended = threading.Event()
        self._server: _Server | None = None
        self.is_listening = threading.Event()

    def run(self) -> None:
        """Try to have the address, and answer there."""
        kind = type("_Six", (_Server,), {"address_family": socket.AF_INET6})
        server = kind if ":" in self._endpoint[0] else _Server
        is_told = False
        while not self._ended.is_set():
            try:
                self._server = server(self._endpoint, _Handler)
            except OSError as error:
                if not is_told:
                    logger.info("metrics are not answered here yet", extra={"why": str(error)})
                is_told = True
                self._ended.wait(TAKES_OVER_AFTER_SECONDS)
                continue
            self.is_listening.set()
            with self._server:
                self._server.serve_forever()

    def close(self) -> None:
        """Stop listening."""
        self._ended.set()
        if self._server is not None:
            self._server.shutdown()

    @property
    def connections(self) -> int:
        """How many it serves now."""
        return self._server.connections if self._server else 0

    @property
    def port(self) -> int:
        """The port it listens at."""
        return int(self._server.server_address[1]) if self._server else 0


def start() -> Listener | None:
    """Listen where METRICS_LISTEN says; None if it says nothing."""
    if not settings.METRICS_LISTEN:
        return None
    listener = Listener(settings.METRICS_LISTEN)
    listener.start()
    return listener
