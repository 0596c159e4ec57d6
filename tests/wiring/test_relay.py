from __future__ import annotations

import asyncio
import multiprocessing
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from asgiref.sync import async_to_sync

from mailweb.lib import relay
from mailweb.lib.relay import MAX_FRAME_BYTES, RelayChannelLayer, Sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HINT = {"type": "account.event", "event": "delivery-changed", "ids": {"message": 7}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "layer.sock"


@pytest.fixture
async def owner(path: Path) -> AsyncIterator[RelayChannelLayer]:
    layer = RelayChannelLayer(path=str(path), capacity=10)
    yield layer
    await layer.close()


async def joined(layer: RelayChannelLayer, group: str = "account.1") -> str:
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    return channel


async def received(layer: RelayChannelLayer, channel: str) -> dict[str, object]:
    message: dict[str, object] = await asyncio.wait_for(layer.receive(channel), 5)
    return message


def listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def say_hint(path: str) -> None:
    async_to_sync(RelayChannelLayer(path=path).group_send)("account.1", HINT)


async def test_owner_hears_itself(owner: RelayChannelLayer) -> None:
    channel = await joined(owner)
    await owner.group_send("account.1", HINT)
    assert await received(owner, channel) == HINT


async def test_owner_hears_another_process(owner: RelayChannelLayer, path: Path) -> None:
    channel = await joined(owner)
    worker = multiprocessing.get_context("spawn").Process(target=say_hint, args=(str(path),))
    worker.start()
    assert await asyncio.wait_for(owner.receive(channel), 30) == HINT
    await asyncio.to_thread(worker.join)
    assert worker.exitcode == 0


async def test_owner_hears_another_event_loop_of_its_own_process(
    owner: RelayChannelLayer,
) -> None:
    channel = await joined(owner)
    thread = threading.Thread(target=lambda: asyncio.run(owner.group_send("account.1", HINT)))
    thread.start()
    assert await received(owner, channel) == HINT
    await asyncio.to_thread(thread.join)


async def test_hint_reaches_one_channel_and_not_the_other(
    owner: RelayChannelLayer, path: Path
) -> None:
    channel, other = await joined(owner), await joined(owner, "account.2")
    sender = RelayChannelLayer(path=str(path))
    await sender.send(channel, HINT)
    assert await received(owner, channel) == HINT
    assert other not in owner.channels
    await sender.close()


async def test_hint_without_an_owner_is_dropped(path: Path) -> None:
    layer = RelayChannelLayer(path=str(path))
    await layer.group_send("account.1", HINT)
    assert not path.exists()


async def test_sender_finds_the_owner_again_after_a_restart(
    owner: RelayChannelLayer, path: Path
) -> None:
    sender = Sender(path)
    with listening(path) as predecessor:
        assert sender.send(("group_send", "account.1", HINT))
        predecessor.accept()[0].close()
    channel = await joined(owner)
    assert sender.send(("group_send", "account.1", HINT))
    assert await received(owner, channel) == HINT
    sender.close()


def test_owner_that_hangs_costs_one_wait_and_then_hints_are_dropped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "TIMEOUT_SECONDS", 0.05)
    sender = Sender(path)
    big = ("group_send", "account.1", {"ids": "x" * 60_000})
    with listening(path):
        assert [sender.send(big) for _ in range(100)][-1] is False
        assert not sender.send(("group_send", "account.1", HINT))


async def test_second_owner_is_refused(owner: RelayChannelLayer, path: Path) -> None:
    await joined(owner)
    with pytest.raises(RuntimeError, match="REDIS_URL"):
        await joined(RelayChannelLayer(path=str(path)))


async def test_socket_is_for_its_user_only(owner: RelayChannelLayer, path: Path) -> None:
    await joined(owner)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_oversized_frame_ends_the_connection(owner: RelayChannelLayer, path: Path) -> None:
    await joined(owner)
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_burst_beyond_the_capacity_is_dropped_and_the_rest_arrives(
    owner: RelayChannelLayer, path: Path
) -> None:
    channel = await joined(owner)
    for _ in range(50):
        await owner.group_send("account.1", HINT)
    assert owner.channels[channel].qsize() == 10
    assert await received(owner, channel) == HINT
