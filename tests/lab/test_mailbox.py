"""What the lab keeps of accepted mail, and how much of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from delivery.lab import Accepted, Lab, Mailbox, TlsSeen, read_directory
from tests.lab.client import Client

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def make_message(number: int = 1, content: bytes = b"Subject: hello\r\n\r\n") -> Accepted:
    """Make a message, accepted `number` seconds after START."""
    return Accepted(
        id=f"{number:032x}",
        accepted_at=START + timedelta(seconds=number),
        profile="dane",
        host="mx.dane.test",
        address="127.0.0.30",
        client="127.0.0.1",
        helo="mail.mailweb.test",
        mail_from="alice@mailweb.test",
        mail_parameters=("REQUIRETLS", "SIZE=30"),
        recipients=("bob@dane.test",),
        recipient_parameters=((),),
        tls=TlsSeen(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", server_name="mx.dane.test"),
        size_bytes=len(content),
        content=content,
    )


def test_a_kept_message_reads_back_as_it_was(tmp_path: Path):
    message = make_message()
    Mailbox(tmp_path).add(message)
    assert read_directory(tmp_path) == (message,)


def test_a_message_in_the_clear_reads_back_without_tls(tmp_path: Path):
    message = replace(make_message(), tls=None, mail_parameters=())
    Mailbox(tmp_path).add(message)
    (read,) = read_directory(tmp_path)
    assert read.tls is None
    assert not read.has_requiretls


def test_the_newest_is_read_first(tmp_path: Path):
    box = Mailbox(tmp_path)
    for number in (1, 3, 2):
        box.add(make_message(number))
    assert [one.accepted_at.second for one in read_directory(tmp_path)] == [3, 2, 1]


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path):
    box = Mailbox(tmp_path, max_messages=2)
    for number in range(5):
        box.add(make_message(number))
    assert [one.accepted_at.second for one in box.all()] == [3, 4]
    assert len(list(tmp_path.iterdir())) == 4


def test_the_oldest_go_when_they_are_too_large():
    box = Mailbox(max_bytes=250)
    for number in range(4):
        box.add(make_message(number, b"x" * 100))
    assert len(box) == 2


def test_one_message_above_the_limit_is_still_kept():
    box = Mailbox(max_bytes=50)
    box.add(make_message(1, b"x" * 100))
    assert len(box) == 1


def test_a_new_lab_takes_over_what_an_earlier_one_left(tmp_path: Path):
    first = Mailbox(tmp_path)
    first.add(make_message(1))
    second = Mailbox(tmp_path, max_messages=1)
    second.add(make_message(2))
    assert [one.accepted_at.second for one in read_directory(tmp_path)] == [2]


def test_clear_forgets_files_too(tmp_path: Path):
    box = Mailbox(tmp_path)
    box.add(make_message())
    box.clear()
    assert not list(tmp_path.iterdir())
    assert not box.all()


async def test_a_lab_writes_what_it_accepts(tmp_path: Path):
    async with (
        Lab(profiles=["requiretls"], mail_dir=tmp_path) as lab,
        await Client.of(lab, "requiretls.test") as client,
    ):
        await client.hello()
        await client.start_tls()
        await client.send("alice@mailweb.test", "bob@requiretls.test", parameters=" REQUIRETLS")
    (message,) = read_directory(tmp_path)
    assert message.has_requiretls
    assert message.tls is not None
    assert message.content == b"Subject: hello\r\n\r\nHello.\r\n"
