"""GNU SASL, which Exim and others log people in with, as a server behind TLS by pyOpenSSL.

Neither shares code with ours: SCRAM and the kinds of channel binding are GNU SASL's, their values
pyOpenSSL's. It speaks just enough SMTP, inside TLS from the first octet on, one client at a time.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from OpenSSL import SSL

from tests.peers.servers.presence import UNPACKED, missing

LIBRARIES = ("libidn.so.12", "libgssglue.so.1", "libntlm.so.0", "libgsasl.so.18")
OK, NEEDS_MORE, NO_CALLBACK = 0, 1, 51
PASSWORD, UNIQUE, EXPORTER = 3, 18, 25
"""Of the enumerations in gsasl.h."""

USERNAME, SECRET = "alice", "wonderland"
VERSIONS = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)


def _library() -> ctypes.CDLL:
    """Load GNU SASL from where `.ci/peers` unpacked it."""
    for name in LIBRARIES:
        found = next(UNPACKED.glob(f"usr/lib/*/{name}"), None)
        library = ctypes.CDLL(str(found or missing("GNU SASL")))
    for function in ("gsasl_property_set", "gsasl_finish", "gsasl_free", "gsasl_done"):
        getattr(library, function).restype = None
    return library


class GnuSasl:
    """A running instance; an asynchronous context manager. `said` are the client's lines.

    `mechanisms` are announced; at most `version` of TLS is spoken.
    """

    def __init__(self, certificate: Path, *, mechanisms: str, version: str) -> None:
        self._gsasl = _library()
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_certificate_chain_file(str(certificate))
        self._context.use_privatekey_file(str(certificate))
        self._context.set_max_proto_version(VERSIONS[version])
        self._mechanisms = mechanisms
        self._values: dict[int, str] = {}
        self._callback = _Callback(self._property)
        self.said: list[str] = []

    async def __aenter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._thread.join, 10)
        self._socket.close()

    def _serve(self) -> None:
        self._socket.settimeout(10)
        client, _ = self._socket.accept()
        client.settimeout(None)
        with client:
            connection = SSL.Connection(self._context, client)
            connection.set_accept_state()
            connection.do_handshake()
            # RFC 5929 §3.1: in a full handshake the client's Finished is the first one.
            self._values[PASSWORD] = SECRET
            if connection.get_protocol_version_name() == "TLSv1.3":
                label = b"EXPORTER-Channel-Binding"
                exported = connection.export_keying_material(label, 32, b"")
                self._values[EXPORTER] = b64encode(exported).decode()
            else:
                self._values[UNIQUE] = b64encode(connection.get_peer_finished() or b"").decode()
            self._converse(connection)

    def _converse(self, connection: SSL.Connection) -> None:
        def say(line: str) -> None:
            connection.sendall(f"{line}\r\n".encode())

        lines = _lines(connection)
        say("220 relay.test ESMTP")
        for line in lines:
            self.said.append(line)
            words = line.split(" ")
            if words[0] == "EHLO":
                say(f"250-relay.test\r\n250 AUTH {self._mechanisms}")
            elif words[0] == "AUTH":
                is_right = self._log_in(words[1], words[2], lines, say)
                say("235 2.7.0 Welcome" if is_right else "535 5.7.8 Authentication failed")
            else:
                say("221 2.0.0 Bye" if words[0] == "QUIT" else "250 2.0.0 Ok")

    def _log_in(self, mechanism, response, lines, say) -> bool:
        context, session = ctypes.c_void_p(), ctypes.c_void_p()
        assert self._gsasl.gsasl_init(ctypes.byref(context)) == OK
        self._gsasl.gsasl_callback_set(context, self._callback)
        started = self._gsasl.gsasl_server_start(context, mechanism.encode(), ctypes.byref(session))
        assert started == OK, started
        while True:
            code, challenge = self._step(session, b64decode(response))
            if code not in (OK, NEEDS_MORE):
                break
            if challenge:
                say(f"334 {b64encode(challenge).decode()}")
                response = next(lines)
                self.said.append(response)
            if code == OK:
                break
        self._gsasl.gsasl_finish(session)
        self._gsasl.gsasl_done(context)
        return bool(code == OK)

    def _step(self, session: ctypes.c_void_p, said: bytes) -> tuple[int, bytes]:
        out, size = ctypes.c_void_p(), ctypes.c_size_t()
        code = self._gsasl.gsasl_step(
            session, said, ctypes.c_size_t(len(said)), ctypes.byref(out), ctypes.byref(size)
        )
        if code not in (OK, NEEDS_MORE):
            return code, b""
        challenge = ctypes.string_at(out, size.value) if size.value else b""
        self._gsasl.gsasl_free(out)
        return code, challenge

    def _property(self, _: int, session: int, wanted: int) -> int:
        """Tell the library what it asks for."""
        value = self._values.get(wanted)
        if value is None:
            return NO_CALLBACK
        self._gsasl.gsasl_property_set(ctypes.c_void_p(session), wanted, value.encode())
        return OK


def _lines(connection: SSL.Connection) -> Iterator[str]:
    unread = b""
    while True:
        line, end, rest = unread.partition(b"\r\n")
        if end:
            unread = rest
            yield line.decode()
            continue
        try:
            unread += connection.recv(65536)
        except SSL.Error:
            return
