"""The server's side of TLS between two byte strings, so that every alert reaches the wire.

asyncio's own TLS drops the alert of a handshake it refuses; the lab's hosts must be able to
send one late, as real TLS 1.3 servers do.
"""

from __future__ import annotations

import ssl
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_READ_SIZE = 64 * 1024


class TlsLayer:
    """One TLS session: bytes from the wire in, plain bytes out, and the other way round."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_up = False
        self.is_closed = False

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the wire; return what they say in the clear.

        Raises ssl.SSLError when the session is broken. Either way `outgoing` may have bytes.
        """
        self._incoming.write(data)
        if not self.is_up:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self.is_up = True
        return self._read()

    def _read(self) -> bytes:
        pieces: list[bytes] = []
        try:
            while piece := self._object.read(_READ_SIZE):
                pieces.append(piece)
            self.is_closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_closed = True
        return b"".join(pieces)

    def send(self, data: bytes) -> None:
        """Encrypt `data` into `outgoing`."""
        self._object.write(data)

    def outgoing(self) -> bytes:
        """Return the bytes that are due on the wire."""
        return self._outgoing.read()

    def say_goodbye(self) -> None:
        """Put close_notify into `outgoing`; the peer's own is not waited for."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass

    @property
    def version(self) -> str:
        """The protocol version as OpenSSL names it, such as TLSv1.3."""
        return self._object.version() or ""

    @property
    def cipher(self) -> str:
        """The cipher suite."""
        cipher = self._object.cipher()
        return cipher[0] if cipher else ""

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The session itself, as an SNI callback gets it."""
        return self._object


def server_context(
    identity_file: Path, *, is_tls10: bool = False, client_roots: Path | None = None
) -> ssl.SSLContext:
    """Make the context of one host from the file with its key and certificates.

    With `client_roots` it demands a certificate of the client.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity_file)
    if is_tls10:
        _only_tls10(context)
    if client_roots is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_roots)
    return context


def _only_tls10(context: ssl.SSLContext) -> None:
    # OpenSSL 3 speaks TLS 1.0 at security level 0 only. Python warns of it, which is the point.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1
