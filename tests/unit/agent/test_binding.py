from __future__ import annotations

import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from delivery.agent import binding
from delivery.agent.binding import bindings_of
from delivery.sasl import ChannelBinding
from tests.fakes.certificates import Authority

NO_EXTENDED_MASTER_SECRET = 1
"""`SSL_OP_NO_EXTENDED_MASTER_SECRET` of openssl/ssl.h."""

LABEL = b"EXPORTER-Channel-Binding"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Authority().leaf("relay.test").write(tmp_path_factory.mktemp("tls") / "relay.pem")


def connected(certificate: Path, version: int, options: int = 0) -> tuple[Any, SSL.Connection]:
    """Return both ends of a connection in memory: Python's `ssl`, and pyOpenSSL as the server."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(certificate))
    context.set_max_proto_version(version)
    context.set_options(options)
    server = SSL.Connection(context, None)
    server.set_accept_state()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ours.wrap_bio(incoming, outgoing)
    for _ in range(5):
        _step(client.do_handshake)
        if outgoing.pending:
            server.bio_write(outgoing.read())
        _step(server.do_handshake)
        _step(lambda: incoming.write(server.bio_read(65536)))
    return client, server


def _step(act: Any) -> None:
    try:
        act()
    except (ssl.SSLWantReadError, SSL.WantReadError):
        pass


def test_what_is_exported_is_what_the_other_side_exports(certificate: Path):
    client, server = connected(certificate, SSL.TLS1_3_VERSION)
    first, second = bindings_of(client)
    assert first == ChannelBinding("tls-exporter", server.export_keying_material(LABEL, 32, b""))
    assert second.name == "tls-server-end-point"


def test_every_connection_has_a_value_of_its_own(certificate: Path):
    pairs = [connected(certificate, SSL.TLS1_3_VERSION) for _ in range(20)]
    assert len({bindings_of(client)[0].data for client, _ in pairs}) == 20


def test_tls_1_2_has_its_first_finished_message(certificate: Path):
    client, server = connected(certificate, SSL.TLS1_2_VERSION)
    first, second = bindings_of(client)
    assert first == ChannelBinding("tls-unique", server.get_peer_finished() or b"")
    assert second.name == "tls-server-end-point"


def test_without_the_extended_master_secret_there_is_only_the_certificate(certificate: Path):
    client, _ = connected(certificate, SSL.TLS1_2_VERSION, NO_EXTENDED_MASTER_SECRET)
    assert [one.name for one in bindings_of(client)] == ["tls-server-end-point"]


@dataclass
class Other:
    """What looks like a connection and is another one inside."""

    real: Any
    _sslobj: Any
    context: Any

    def version(self) -> str:
        return str(self.real.version())

    def getpeercert(self, *, binary_form: bool) -> bytes:
        return bytes(self.real.getpeercert(binary_form=binary_form))


class Roomy:
    __slots__ = ("a", "b", "c", "d")


def test_no_pointer_is_followed_out_of_a_structure_that_is_not_understood(certificate: Path):
    client, _ = connected(certificate, SSL.TLS1_3_VERSION)
    stranger, _ = connected(certificate, SSL.TLS1_3_VERSION)
    for inner, context in (
        (None, client.context),
        (object(), client.context),
        (Roomy(), client.context),
        (client._sslobj, stranger.context),
        (client._sslobj, object()),
    ):
        other: Any = Other(client, inner, context)
        assert [one.name for one in bindings_of(other)] == ["tls-server-end-point"]


def test_another_library_in_the_same_process_is_not_asked(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    client, _ = connected(certificate, SSL.TLS1_3_VERSION)
    monkeypatch.delitem(sys.modules, "_ssl")
    binding._openssl.cache_clear()
    try:
        assert [one.name for one in bindings_of(client)] == ["tls-server-end-point"]
    finally:
        binding._openssl.cache_clear()
