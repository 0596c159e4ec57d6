from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse

from delivery.models import OutboundMessage, Recipient, State
from mailweb.webmail import receipts, services
from mailweb.webmail.models import Message, Role
from tests.webmail.letters import file, html_letter, letter

HTMX = {"HX-Request": "true"}


def url(name: str, message: Message, *more: str) -> str:
    return reverse(f"webmail:{name}", args=[message.uuid, *more])


@pytest.fixture
def message(alice, now) -> Message:
    return file(alice, now)


@pytest.fixture
def html_message(alice, now) -> Message:
    return file(alice, now, html_letter())


@pytest.fixture
def sent(alice, now) -> Message:
    outbound = OutboundMessage.objects.create(
        owner=alice, mail_from="alice@mailweb.test", message_id="<s@mailweb.test>", size_bytes=1,
        queued_at=now, expires_at=now + timedelta(days=5),
    )  # fmt: skip
    Recipient.objects.create(
        message=outbound,
        address="ines@dane.test",
        domain="dane.test",
        state=State.DELIVERED,
        settled_at=now,
        last_reply="250 2.0.0 Queued as 4d7Kz2",
    )
    data = letter("Signed.", **{"from": "alice@mailweb.test", "to": "ines@dane.test"})
    return file(alice, now, data, role=Role.SENT, is_seen=True, outbound=outbound)


PAGES = ["message", "message-html", "reply-way", "message-source", "receipt-json", "receipt-text"]
POSTS = ["move-message", "delete-message", "flag-message", "mark-seen", "mark-unseen"]


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_a_message_are_the_owners_alone(as_alice, as_charlie, client, sent, name):
    path = url(name, sent)
    assert as_alice.get(path).status_code == 200
    assert as_charlie.get(path).status_code == 404
    assert client.get(path).url.startswith(reverse("accounts:login"))
    assert as_alice.post(path).status_code == 405


@pytest.mark.parametrize("name", POSTS)
def test_changes_of_a_message_are_the_owners_alone(as_alice, as_charlie, client, message, name):
    path = url(name, message)
    assert as_charlie.post(path).status_code == 404
    assert client.post(path).url.startswith(reverse("accounts:login"))
    assert as_alice.get(path).status_code == 405
    assert as_alice.post(path).status_code == 302


def test_page_shows_the_letter_and_marks_it_read(as_alice, message):
    page = as_alice.get(url("message", message)).content.decode()
    for shown in ("Key list", "Bob Baker", "bob@mailweb.test", "to you", "The cellar is missing."):
        assert shown in page
    message.refresh_from_db()
    assert message.is_seen


def test_plain_text_is_escaped_and_its_links_are_links(as_alice, alice, now):
    text = letter("<script>alert(1)</script> see https://plain.test/a?b=1&c=2.", "", "> quoted")
    page = as_alice.get(url("message", file(alice, now, text))).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert (
        'href="https://plain.test/a?b=1&amp;c=2" target="_blank" rel="noopener noreferrer"' in page
    )
    assert "letter-quote" in page


def test_long_quotes_are_folded(as_alice, alice, now):
    quoted = [f"> line {number}" for number in range(20)]
    page = as_alice.get(url("message", file(alice, now, letter("Yes.", "", *quoted))))
    assert "Quoted text" in page.content.decode()


def test_html_is_shown_in_a_frame_of_its_own(as_alice, html_message):
    page = as_alice.get(url("message", html_message)).content.decode()
    assert f'src="{url("message-html", html_message)}"' in page
    assert 'sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"' in page
    assert "position:fixed" not in page


def test_frame_is_clean_and_has_its_own_policy(as_alice, html_message):
    frame = as_alice.get(url("message-html", html_message))
    content, policy = frame.content.decode(), frame["Content-Security-Policy"]
    assert "Dear <b>Alice</b>" in content
    for gone in ("script", "position", "spy.test"):
        assert gone not in content
    assert url("part", html_message, "2") in content
    assert policy.startswith("sandbox allow-same-origin allow-popups")
    assert "default-src 'none'" in policy
    assert f"img-src data: http://testserver/mail/m/{html_message.uuid}/part/;" in policy
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    assert frame["Referrer-Policy"] == "no-referrer"


def test_remote_pictures_are_shown_only_when_asked_for(as_alice, html_message):
    page = as_alice.get(url("message", html_message)).content.decode()
    assert "2 remote pictures are not shown." in page
    assert "pictures=remote" in page
    asked = as_alice.get(url("message", html_message), {"pictures": "remote"}).content.decode()
    assert "Show remote pictures" not in asked
    assert f"{url('message-html', html_message)}?pictures=remote" in asked
    frame = as_alice.get(url("message-html", html_message), {"pictures": "remote"})
    assert "https://spy.test/2.png" in frame.content.decode()
    assert "http:" not in frame["Content-Security-Policy"].partition("part/ ")[2]


def test_html_can_be_read_as_plain_text(as_alice, html_message):
    page = as_alice.get(url("message", html_message), {"view": "text"}).content.decode()
    assert "<iframe" not in page
    assert "Dear Alice" in page
    assert "Show as it was formatted" in page


def test_attachments_are_files_whatever_they_claim_to_be(as_alice, html_message):
    page = as_alice.get(url("message", html_message)).content.decode()
    assert "page.html" in page
    file_answer = as_alice.get(url("part", html_message, "3"))
    assert file_answer["Content-Type"] == "application/octet-stream"
    assert file_answer["Content-Disposition"] == 'attachment; filename="page.html"'
    assert file_answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in file_answer["Content-Security-Policy"]
    picture = as_alice.get(url("part", html_message, "2"))
    assert (picture["Content-Type"], picture.content) == ("image/png", b"hello")


def test_parts_are_the_owners_alone(as_alice, as_charlie, html_message):
    assert as_charlie.get(url("part", html_message, "2")).status_code == 404
    assert as_alice.get(url("part", html_message, "99")).status_code == 404
    assert as_alice.get(url("part", html_message, "x")).status_code == 404


def test_source_is_shown_as_text_and_saved_as_a_file(as_alice, message):
    shown = as_alice.get(url("message-source", message))
    assert shown["Content-Type"] == "text/plain; charset=utf-8"
    assert shown.content == bytes(message.blob.data)
    saved = as_alice.get(url("message-source", message), {"save": "1"})
    assert saved["Content-Disposition"] == 'attachment; filename="Key list.eml"'


def test_move_goes_back_to_where_the_message_was(as_alice, message, alice):
    services.mailboxes_for(alice)
    answer = as_alice.post(url("move-message", message), {"to": "archive"})
    assert answer.url == "/mail/inbox/"
    message.refresh_from_db()
    assert message.mailbox.role == Role.ARCHIVE


def test_unknown_mailbox_moves_nothing(as_alice, message):
    as_alice.post(url("move-message", message), {"to": "nowhere"})
    message.refresh_from_db()
    assert message.mailbox.role == Role.INBOX


def test_star_is_put_on_and_taken_off(as_alice, message):
    answer = as_alice.post(url("flag-message", message) + "?next=/mail/inbox/", {"on": "1"})
    assert answer.url == "/mail/inbox/"
    message.refresh_from_db()
    assert message.is_flagged
    as_alice.post(url("flag-message", message), {"on": "0"})
    message.refresh_from_db()
    assert not message.is_flagged


def test_next_page_is_one_of_ours(as_alice, message):
    answer = as_alice.post(url("flag-message", message) + "?next=https://evil.test/", {"on": "1"})
    assert answer.url == url("message", message)


def test_message_is_deleted_for_good_only_from_the_trash(as_alice, alice, message, now):
    as_alice.post(url("delete-message", message))
    assert Message.objects.filter(pk=message.pk).exists()
    gone = file(alice, now, role=Role.TRASH)
    as_alice.post(url("delete-message", gone))
    assert not Message.objects.filter(pk=gone.pk).exists()


def test_neighbours_are_the_newer_and_the_older_message(as_alice, alice, now):
    first, second, third = (file(alice, now + timedelta(minutes=n)) for n in range(3))
    page = as_alice.get(url("message", second)).content.decode()
    assert f'href="{url("message", third)}" rel="prev"' in page
    assert f'href="{url("message", first)}" rel="next"' in page


def test_conversation_is_listed_below(as_alice, alice, now):
    first = file(alice, now, letter("One.", message_id="<one@x.test>"))
    file(alice, now, letter("Two.", in_reply_to="<one@x.test>"), role=Role.SENT)
    page = as_alice.get(url("message", first)).content.decode()
    assert "In this conversation" in page
    assert "Two." in page


def test_sent_message_has_its_receipt(as_alice, sent):
    page = as_alice.get(url("message", sent)).content.decode()
    for shown in ("Receipt", "Delivered", "ines@dane.test", "250 2.0.0 Queued as 4d7Kz2"):
        assert shown in page
    assert url("receipt-text", sent) in page


def test_received_message_has_no_receipt(as_alice, message):
    assert 'id="receipt"' not in as_alice.get(url("message", message)).content.decode()
    assert as_alice.get(url("receipt-json", message)).status_code == 404
    assert as_alice.get(url("receipt-text", message)).status_code == 404


def test_htmx_gets_the_receipt_alone(as_alice, sent):
    part = as_alice.get(
        url("message", sent), headers=HTMX | {"HX-Target": "receipt"}
    ).content.decode()
    assert part.lstrip().startswith('<div class="receipt-whole" id="receipt"')
    assert "<html" not in part


def test_receipts_can_be_checked_with_the_public_key(as_alice, sent):
    key = as_alice.get(reverse("webmail:receipt-key")).content
    document = as_alice.get(url("receipt-json", sent)).json()
    receipts.verify_document(document, key)
    text = as_alice.get(url("receipt-text", sent)).content.decode()
    assert receipts.verify_text(text, key)["recipients"][0]["address"] == "ines@dane.test"
    assert "ines@dane.test" in text.partition("Document:")[0]


def test_changed_receipt_is_found_out(as_alice, sent):
    key = receipts.public_key()
    document = as_alice.get(url("receipt-json", sent)).json()
    document["recipients"][0]["reply"] = "250 never"
    with pytest.raises(receipts.ReceiptError):
        receipts.verify_document(document, key)
    text = as_alice.get(url("receipt-text", sent)).content.decode()
    for changed in (text.replace("ines", "inez"), "", text.replace("Ed25519", "x\ny")):
        with pytest.raises(receipts.ReceiptError):
            receipts.verify_text(changed, key)


def test_receipt_survives_being_sent_as_text(as_alice, sent):
    text = as_alice.get(url("receipt-text", sent)).content.decode()
    receipts.verify_text(text.replace("\n", "\r\n"), receipts.public_key())


def test_key_stays_the_same_and_readable_by_its_owner_alone(db):
    assert receipts.public_key() == receipts.public_key()
    path = settings.DATA_DIR / "receipt_key.pem"
    assert path.stat().st_mode & 0o077 == 0


def test_canonical_form_does_not_depend_on_the_order_of_members():
    assert receipts.canonical({"b": 1, "a": "ä"}) == '{"a":"ä","b":1}'.encode()
    assert json.loads(receipts.canonical({"b": 1})) == {"b": 1}


def test_way_of_an_answer_is_told_from_what_is_known(as_alice, alice, message, now):
    assert "Stays on this server" in as_alice.get(url("reply-way", message)).content.decode()
    away = file(alice, now, letter(**{"from": "ines@dane.test"}))
    assert "Not known yet" in as_alice.get(url("reply-way", away)).content.decode()


def test_reading_asks_nothing_of_the_senders_dns(as_alice, alice, now, started):
    away = file(alice, now, letter(**{"from": "ines@dane.test"}))
    for name in ("message", "message-html", "reply-way"):
        as_alice.get(url(name, away))
    assert started == []


def test_message_from_nobody_has_no_way_to_answer(as_alice, alice, now):
    nobody = file(alice, now, b"Subject: Hi\r\n\r\nHi.")
    page = as_alice.get(url("reply-way", nobody)).content.decode()
    assert "wire" not in page


def test_endless_text_is_shown_up_to_a_limit_and_says_so(as_alice, alice, now):
    endless = file(alice, now, letter(*["word", ""] * 200_000))
    page = as_alice.get(url("message", endless)).content.decode()
    assert "Only the beginning of this very long message is shown." in page
    assert len(page) < 500_000
