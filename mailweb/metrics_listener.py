"""A small HTTP listener for machines that run workers and no web process (METRICS_LISTEN).

Every worker tries to have it; the one that does speaks for all processes of the machine, and when
it ends another takes over.
"""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from mailweb.metrics import CONTENT_TYPE, asker, exposition, may_ask

TAKES_OVER_AFTER_SECONDS = 5.0
REQUEST_SECONDS = 10.0

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

    def do_GET(self) -> None:
        """Show the numbers to who may see them."""
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
    daemon_threads = True
    allow_reuse_address = True

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
        kind = type("_Six", (_Server,), {"address_family": AF_INET6})
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
