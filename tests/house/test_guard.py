from __future__ import annotations

import asyncio
import socket

import pytest

from tests.loopback import LoopbackGuard


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> LoopbackGuard:
    guard = LoopbackGuard()
    guard.install(monkeypatch)
    return guard


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_connection_to_another_machine_fails_the_test(guard: LoopbackGuard, address: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="left this machine"):
        socket.create_connection((address, 25))
    with pytest.raises(pytest.fail.Exception):
        guard.check()


def test_look_up_of_a_name_fails_the_test(guard: LoopbackGuard) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"mx\.mailweb\.test"):
        socket.getaddrinfo("mx.mailweb.test", 25)
    assert guard.strays == ["mx.mailweb.test"]


def test_datagram_to_another_machine_fails_the_test(guard: LoopbackGuard) -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as query,
        pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.53"),
    ):
        query.sendto(b"?", ("192.0.2.53", 53))


async def test_loopback_is_open(guard: LoopbackGuard) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port)
        assert await reader.read() == b"hello"
        writer.close()
    guard.check()
