from __future__ import annotations

from datetime import timedelta

import pytest

from delivery import reports
from delivery.models import Attempt, Content, OutboundMessage, Recipient, State
from delivery.signals import delivery_settled
from mailweb.webmail.models import Message, Notice, Role
from tests.webmail.letters import file, letter


@pytest.fixture
def outbound(alice, now) -> OutboundMessage:
    return OutboundMessage.objects.create(
        owner=alice,
        mail_from="alice@mailweb.test",
        message_id="<deed@mailweb.test>",
        subject="Deed copies",
        size_bytes=1,
        queued_at=now,
        expires_at=now + timedelta(days=5),
    )


@pytest.fixture
def copy(outbound, now) -> Recipient:
    attempt = Attempt.objects.create(
        message=outbound, at=now, domain="harbour.test", mx="mx.harbour.test", outcome="failed"
    )
    return Recipient.objects.create(
        message=outbound,
        address="post@harbour.test",
        domain="harbour.test",
        state=State.FAILED,
        settled_at=now,
        last_attempt=attempt,
        attempts_made=1,
        enhanced="5.1.1",
        last_reply="550 5.1.1 Nobody here.",
        explanation="The server does not know this address.",
    )


def settle(outbound: OutboundMessage, copy: Recipient, kind: str = "failed") -> None:
    delivery_settled.send(
        OutboundMessage, message=outbound, recipients=[copy], kind=kind, now=outbound.queued_at
    )


def test_failed_copy_becomes_an_unread_notice_in_the_inbox(outbound, copy, alice, as_alice):
    settle(outbound, copy)
    notice = Message.objects.get()
    assert (notice.user, notice.mailbox.role) == (alice, Role.INBOX)
    assert (notice.notice, notice.reports_on, notice.is_seen) == (Notice.FAILED, outbound, False)
    page = as_alice.get("/mail/inbox/").content.decode()
    for shown in (
        "Not delivered: post@harbour.test",
        "The server does not know this address.",
        "Another address",
        "Put away",
    ):
        assert shown in page


def test_notice_has_the_servers_whole_answer_and_leads_to_the_outbox(outbound, copy, as_alice):
    settle(outbound, copy)
    page = as_alice.get(f"/mail/m/{Message.objects.get().uuid}/").content.decode()
    assert "mx.harbour.test answered on Fri 20 Nov 2026, 12:00 UTC:" in page
    assert "550 5.1.1 Nobody here." in page
    assert 'href="/mail/outbox/"' in page


def test_late_copy_is_told_as_late(outbound, copy, as_alice):
    settle(outbound, copy, "delayed")
    assert Message.objects.get().notice == Notice.DELAYED
    assert "Delayed: post@harbour.test" in as_alice.get("/mail/inbox/").content.decode()


@pytest.mark.parametrize("where", ["queue", "sent"])
def test_header_of_the_original_is_enclosed_but_not_its_body(outbound, copy, alice, now, where):
    data = letter("The secret.", subject="Deed copies")
    if where == "queue":
        Content.objects.create(message=outbound, data=data)
    else:
        file(alice, now, data, role=Role.SENT, outbound=outbound)
    settle(outbound, copy)
    raw = bytes(Message.objects.get(notice=Notice.FAILED).blob.data)
    assert b"Subject: Deed copies" in raw
    assert b"The secret." not in raw


@pytest.mark.parametrize(("mode", "says_so"), [("requiretls", True), ("verified", False)])
def test_notice_about_mail_that_required_tls_has_its_header_only_and_says_so(
    outbound, copy, mode, says_so
):
    # RFC 8689 §5; trap 8: the notice must not carry what the message was to protect.
    Content.objects.create(message=outbound, data=letter("The secret.", subject="Deed copies"))
    copy.mode = mode
    settle(outbound, copy)
    notice = Message.objects.get()
    raw = bytes(notice.blob.data)
    assert b"Subject: Deed copies" in raw
    assert b"The secret." not in raw
    assert (b"REQUIRETLS" in raw) is says_so


def test_notice_joins_the_conversation_of_what_it_is_about(outbound, copy, alice, now):
    data = letter("Here.", message_id="<deed@mailweb.test>")
    sent = file(alice, now, data, role=Role.SENT, outbound=outbound)
    settle(outbound, copy)
    assert Message.objects.get(notice=Notice.FAILED).thread_id == sent.thread_id


def test_arrival_that_was_asked_for_is_a_report_and_no_action_card(outbound, copy, as_alice):
    settle(outbound, copy, "delivered")
    assert Message.objects.get().notice == Notice.ARRIVED
    page = as_alice.get("/mail/inbox/").content.decode()
    assert "Handed over: post@harbour.test" in page
    assert "See what you can do" not in page


def test_whole_message_is_enclosed_only_where_its_sender_said_so(outbound, copy):
    data = letter("The secret.", subject="Deed copies")
    Content.objects.create(message=outbound, data=data)
    outbound.ret, outbound.size_bytes = "FULL", len(data)
    outbound.save()
    settle(outbound, copy)
    assert data in bytes(Message.objects.get().blob.data)


def test_large_message_is_read_no_further_than_its_report_needs(outbound, copy):
    data = letter("x" * 200_000, subject="Deed copies")
    Content.objects.create(message=outbound, data=data)
    outbound.size_bytes = len(data)
    assert len(reports.queued_content(outbound)) == 64 * 1024
    outbound.ret = "FULL"
    assert reports.queued_content(outbound) == data


def test_report_on_mail_with_international_addresses_is_one_too_and_can_be_read(
    outbound, copy, as_alice
):
    outbound.needs_smtputf8 = True
    outbound.save()
    copy.address = "jörg@harbour.test"
    settle(outbound, copy)
    notice = Message.objects.get()
    assert "Final-Recipient: utf-8; jörg@harbour.test".encode() in bytes(notice.blob.data)
    page = as_alice.get(f"/mail/m/{notice.uuid}/").content.decode()
    assert "jörg@harbour.test" in page
    assert "550 5.1.1 Nobody here." in page


def test_mail_without_an_owner_never_gets_a_notice(outbound, copy):
    outbound.owner = None
    outbound.save()
    settle(outbound, copy)
    assert not Message.objects.exists()
