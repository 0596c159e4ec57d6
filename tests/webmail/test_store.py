from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mailweb.webmail import services
from mailweb.webmail.models import Blob, Mailbox, Message, Role, Thread

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import User

LETTER = (
    b"From: Bob <bob@mailweb.test>\r\nTo: alice@mailweb.test, Ines <ines@dane.test>\r\n"
    b"Cc: post@plain.test\r\nSubject: Key list\r\nMessage-ID: <one@mailweb.test>\r\n"
    b"Date: Thu, 19 Nov 2026 10:00:00 +0100\r\n\r\nThe cellar is missing.\r\n"
)
ANSWER = (
    b"From: alice@mailweb.test\r\nSubject: Re: Key list\r\nMessage-ID: <two@mailweb.test>\r\n"
    b"In-Reply-To: <one@mailweb.test>\r\n\r\nAdded.\r\n"
)


def file(user: User, now: datetime, data: bytes = LETTER, **more) -> Message:
    return services.file_message(
        user=user, role_or_mailbox=more.pop("role", Role.INBOX), data=data, now=now, **more
    )


def box(user: User, role: Role) -> Mailbox:
    return services.mailboxes_for(user)[role]


def counters(user: User, role: Role) -> tuple[int, int]:
    found = box(user, role)
    return found.total, found.unseen


def test_special_mailboxes_are_made_once(alice):
    first = services.mailboxes_for(alice)
    assert list(first) == ["inbox", "drafts", "sent", "archive", "junk", "trash"]
    assert services.mailboxes_for(alice) == first


def test_filed_message_has_every_column_a_list_shows(alice, now):
    message = file(alice, now)
    message.refresh_from_db()
    assert (message.sender_name, message.sender_address) == ("Bob", "bob@mailweb.test")
    assert message.to == [["", "alice@mailweb.test"], ["Ines", "ines@dane.test"]]
    assert message.cc == [["", "post@plain.test"]]
    assert message.subject == "Key list"
    assert message.snippet == "The cellar is missing."
    assert message.sent_at.isoformat() == "2026-11-19T09:00:00+00:00"
    assert bytes(message.blob.data) == LETTER
    assert message.size_bytes == len(LETTER)
    assert not message.has_attachments


def test_counters_and_uids_follow_what_is_filed(alice, now):
    uids = [file(alice, now).uid, file(alice, now, is_seen=True).uid]
    assert uids == [1, 2]
    assert counters(alice, Role.INBOX) == (2, 1)


def test_answer_joins_the_thread_of_what_it_answers(alice, bob, now):
    first = file(alice, now)
    answer = file(alice, now, ANSWER, role=Role.SENT)
    assert answer.thread_id == first.thread_id
    assert file(bob, now, ANSWER).thread_id != first.thread_id


def test_move_carries_the_counters_along(alice, now):
    message = file(alice, now)
    moved = services.move_messages(user=alice, uuids=[message.uuid], to=box(alice, Role.ARCHIVE))
    assert [gone.pk for gone in moved] == [message.pk]
    assert counters(alice, Role.INBOX) == (0, 0)
    assert counters(alice, Role.ARCHIVE) == (1, 1)
    message.refresh_from_db()
    assert (message.mailbox.role, message.uid) == ("archive", 1)


def test_message_that_is_there_already_is_not_moved(alice, now):
    message = file(alice, now)
    assert not services.move_messages(user=alice, uuids=[message.uuid], to=box(alice, Role.INBOX))
    assert counters(alice, Role.INBOX) == (1, 1)


def test_stranger_moves_marks_and_deletes_nothing(alice, charlie, now):
    message = file(alice, now)
    to = box(charlie, Role.TRASH)
    assert not services.move_messages(user=charlie, uuids=[message.uuid], to=to)
    assert not services.set_seen(user=charlie, uuids=[message.uuid], is_seen=True)
    assert not services.set_flagged(user=charlie, uuids=[message.uuid], is_flagged=True)
    assert not services.delete_messages(user=charlie, uuids=[message.uuid])
    assert counters(alice, Role.INBOX) == (1, 1)


def test_seen_changes_the_counter_only_once(alice, now):
    message = file(alice, now)
    assert services.set_seen(user=alice, uuids=[message.uuid], is_seen=True) == 1
    assert services.set_seen(user=alice, uuids=[message.uuid], is_seen=True) == 0
    assert counters(alice, Role.INBOX) == (1, 0)
    assert services.set_seen(user=alice, uuids=[message.uuid], is_seen=False) == 1
    assert counters(alice, Role.INBOX) == (1, 1)


def test_only_what_lies_in_the_trash_is_deleted_for_good(alice, now):
    message = file(alice, now)
    assert services.delete_messages(user=alice, uuids=[message.uuid]) == 0
    services.move_messages(user=alice, uuids=[message.uuid], to=box(alice, Role.TRASH))
    assert services.delete_messages(user=alice, uuids=[message.uuid]) == 1
    assert counters(alice, Role.TRASH) == (0, 0)
    assert not Blob.objects.exists()
    assert not Thread.objects.exists()


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\x00\xff", b"Subject: \xff\x00\r\n\r\n\xfe"])
def test_broken_bytes_are_filed_as_they_are(alice, now, data):
    message = file(alice, now + timedelta(hours=1), data)
    message.refresh_from_db()
    assert bytes(message.blob.data) == data
    assert message.sent_at == now + timedelta(hours=1)
