"""An HTTP server that is called by webhooks, in a thread of its own."""

from __future__ import annotations

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self


class _Server(ThreadingHTTPServer):
    """One that is not surprised by callers who hang up early."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class HookServer:
    """Keeps what it is told in `heard`: path, header fields in lower case, and body.

    It answers `status` with `words` and `fields`; with a `pause`, a threading.Event, not before
    that is set.
    """

    def __init__(self, pem: Path | None = None) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.words = b"thank you"
        self.fields: dict[str, str] = {}
        self.pause: threading.Event | None = None
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if pem is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'http' if pem is None else 'https'}://127.0.0.1:{self.port}/mail?for=alice"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def prepare(self) -> None:
        """Decide about the answer to what was just heard, if that depends."""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fields = {name.lower(): value for name, value in self.headers.items()}
                server.heard.append((self.path, fields, body))
                server.prepare()
                if server.pause is not None:
                    server.pause.wait(30)
                self.send_response(server.status)
                for name, value in server.fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(server.words)))
                self.end_headers()
                self.wfile.write(server.words)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
