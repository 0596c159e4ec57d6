from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kombu import Connection

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.simple import SimpleQueue


def queue_in(folder: Path) -> SimpleQueue:
    connection = Connection(
        "folder://localhost",
        transport="mailweb.lib.folder_broker:Transport",
        transport_options={"folder": str(folder), "polling_interval": 0.01},
    )
    return connection.SimpleQueue("delivery")


def test_messages_arrive_in_the_order_in_which_they_were_put(tmp_path: Path) -> None:
    writer, reader = queue_in(tmp_path), queue_in(tmp_path)
    for number in range(20):
        writer.put({"number": number})
    arrived = [reader.get(timeout=5) for _ in range(20)]
    for message in arrived:
        message.ack()  # else kombu puts them back when the interpreter ends, and says so
    assert [message.payload["number"] for message in arrived] == list(range(20))


def test_message_that_is_still_being_written_is_not_seen(tmp_path: Path) -> None:
    reader = queue_in(tmp_path)
    (tmp_path / "1-a.delivery.msg.unfinished").write_text("{")
    assert reader.qsize() == 0
    assert not list(tmp_path.glob("*.taken"))


def test_two_readers_and_a_writer_lose_and_double_nothing(tmp_path: Path) -> None:
    arrived: list[int] = []

    def read() -> None:
        reader = queue_in(tmp_path)
        while True:
            message = reader.get(timeout=10)
            message.ack()
            if message.payload["number"] < 0:
                return
            arrived.append(message.payload["number"])

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    writer = queue_in(tmp_path)
    for number in [*range(200), -1, -1]:
        writer.put({"number": number})
    for reader in readers:
        reader.join(30)
    assert sorted(arrived) == list(range(200))
    assert not list(tmp_path.glob("*.msg*"))
