"""Drafts keep what was typed, as it was typed, whatever happens."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts import selectors as accounts
from delivery.policy.modes import Mode
from mailweb.webmail import answering, composing, services
from mailweb.webmail.composing import Written
from mailweb.webmail.models import Draft, DraftAttachment, Role

LETTER = b"""From: "Bob at X" <bobx@x.test>
To: Alice <alice@mailweb.test>, bob@mailweb.test, "Office, D" <d@x.test>
Cc: ALICE@mailweb.test, carol@x.test, d@x.test
Date: Thu, 19 Nov 2026 10:00:00 +0000
Message-ID: <2@x.test>
In-Reply-To: <1@x.test>
References: <0@x.test> <1@x.test>
Subject: Lease
Content-Type: text/plain; charset=utf-8

The lease is ready.
> signed?
--\x20
Mira
"""


def filed(user, data: bytes = LETTER, *, now):
    return services.file_message(
        user=user, role_or_mailbox=Role.INBOX, data=data.replace(b"\n", b"\r\n"), now=now
    )


def stored(user, now, **changes) -> Draft:
    draft = composing.new_draft(user)
    return composing.save_draft(draft, Written(sender=draft.sender, **changes), now=now)


def upload(name: str = "lease.pdf", size: int = 10) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"x" * size, content_type="application/pdf")


def test_a_new_draft_begins_with_address_and_signature_and_is_not_stored(alice):
    preferences = accounts.preferences_of(alice)
    preferences.signature = "Alice\nMailweb"
    preferences.save()
    draft = composing.new_draft(alice, to=["bob@mailweb.test"])
    assert draft.sender == "alice@mailweb.test"
    assert draft.body == "\n\n-- \nAlice\nMailweb"
    assert draft.to == ["bob@mailweb.test"]
    assert not Draft.with_sent.exists()


def test_a_stricter_default_mode_counts_as_chosen_by_hand(alice):
    preferences = accounts.preferences_of(alice)
    preferences.default_mode = Mode.VERIFIED
    preferences.save()
    draft = composing.new_draft(alice)
    assert (draft.mode, draft.mode_is_by_hand) == (Mode.VERIFIED, True)


def test_what_was_typed_is_stored_as_it_was_typed(alice, now):
    draft = stored(alice, now, to=("not an address", "Bob <bob@mailweb.test>"), body=" x\n")
    draft.refresh_from_db()
    assert draft.to == ["not an address", "Bob <bob@mailweb.test>"]
    assert draft.body == " x\n"
    assert draft.version == 1


def test_another_tab_is_noticed_and_loses_nothing(alice, now):
    draft = stored(alice, now, body="first", page="a")
    composing.save_draft(draft, Written(body="second", version=1, page="a"), now=now)
    with pytest.raises(composing.DraftChangedError):
        composing.save_draft(draft, Written(body="late", version=1, page="b"), now=now)
    assert Draft.objects.get().body == "second"
    composing.save_draft(draft, Written(body="late", version=1, page="b"), now=now, force=True)
    assert Draft.objects.get().body == "late"


def test_a_page_whose_last_answer_was_lost_may_save_again(alice, now):
    draft = stored(alice, now, body="first", page="a")
    composing.save_draft(draft, Written(body="second", version=1, page="a"), now=now)
    composing.save_draft(draft, Written(body="third", version=1, page="a"), now=now)
    assert Draft.objects.get().body == "third"


def test_a_choice_for_a_copy_goes_with_its_recipient(alice, now):
    draft = stored(alice, now, to=("Bob@x.test", "carol@x.test"))
    composing.choose_copy_mode(draft, key="bob@x.test", mode=Mode.REQUIRETLS)
    composing.save_draft(draft, Written(to=("bob@x.test",), version=1), now=now)
    assert Draft.objects.get().copy_modes == {"bob@x.test": "requiretls"}
    composing.save_draft(draft, Written(to=("carol@x.test",), version=2), now=now)
    assert Draft.objects.get().copy_modes == {}


def test_files_are_kept_with_a_harmless_name(alice, now):
    draft = stored(alice, now)
    file = composing.attach(draft, upload("../../lease.pdf"))
    assert (file.name, file.size_bytes, bytes(file.data)) == ("lease.pdf", 10, b"x" * 10)
    composing.detach(file)
    assert not DraftAttachment.objects.exists()


def test_a_file_over_the_limit_is_named_with_its_size_and_the_limit(alice, now, settings):
    settings.MAX_MESSAGE_BYTES = 25 * 1024 * 1024
    draft = stored(alice, now)
    with pytest.raises(composing.FileTooLargeError) as refusal:
        composing.attach(draft, upload("film.mp4", 30 * 1024 * 1024))
    assert refusal.value.sentence == (
        "“film.mp4” is 30 MB. The files of one message can be 25 MB together."
    )
    assert not draft.attachments.exists()


def test_files_are_counted_together(alice, now, settings):
    settings.MAX_MESSAGE_BYTES = 3000
    draft = stored(alice, now)
    composing.attach(draft, upload(size=2000))
    with pytest.raises(composing.FileTooLargeError, match=r"1000 bytes are left"):
        composing.attach(draft, upload("b.pdf", 1001))
    assert composing.attach(draft, upload("c.pdf", 1000)).size_bytes == 1000


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KB"),
        (1536, "1.5 KB"),
        (10 * 1024, "10 KB"),
        (25 * 1024 * 1024, "25 MB"),
        (3 * 1024 * 1024 // 2, "1.5 MB"),
    ],
)
def test_sizes_are_said_as_people_do(size: int, words: str):
    assert composing.size_in_words(size) == words


def test_a_discarded_draft_takes_its_files_along(alice, now):
    draft = stored(alice, now)
    composing.attach(draft, upload())
    composing.discard(draft)
    assert not Draft.with_sent.exists()
    assert not DraftAttachment.objects.exists()


def test_an_answer_goes_to_the_sender_and_quotes(alice, now):
    draft = answering.reply_draft(filed(alice, now=now))
    assert draft.to == ["Bob at X <bobx@x.test>"]
    assert draft.cc == []
    assert draft.subject == "Re: Lease"
    assert draft.body == (
        "\n\nOn 19 November 2026 at 10:00 UTC, Bob at X wrote:\n> The lease is ready.\n>> signed?\n"
    )
    assert draft.references == ["<0@x.test>", "<1@x.test>", "<2@x.test>"]
    assert not draft.is_list_reply
    assert not Draft.with_sent.exists()


def test_an_answer_to_everybody_leaves_out_oneself_and_repeats_nobody(alice, now):
    message = filed(alice, now=now)
    everyone = answering.reply_draft(message, everyone=True)
    assert everyone.to == ["Bob at X <bobx@x.test>", "bob@mailweb.test", '"Office, D" <d@x.test>']
    assert everyone.cc == ["carol@x.test"]
    assert answering.reply_draft(message).to == ["Bob at X <bobx@x.test>"]


def test_an_answer_follows_reply_to(alice, now):
    message = filed(alice, b"Reply-To: desk@x.test\n" + LETTER, now=now)
    assert answering.reply_draft(message).to == ["desk@x.test"]


def test_an_answer_to_ones_own_message_goes_where_that_went(alice, now):
    own = LETTER.replace(b'"Bob at X" <bobx@x.test>', b"alice@mailweb.test")
    assert answering.reply_draft(filed(alice, own, now=now)).to == [
        "bob@mailweb.test",
        '"Office, D" <d@x.test>',
    ]


def test_a_note_to_oneself_can_be_answered(alice, now):
    own = b"From: alice@mailweb.test\nTo: alice@mailweb.test\nSubject: RE: me\n\nx\n"
    draft = answering.reply_draft(filed(alice, own, now=now))
    assert draft.to == ["alice@mailweb.test"]
    assert draft.subject == "RE: me"


def test_a_hostile_header_puts_nothing_but_addresses_into_an_answer(alice, now):
    letter = (
        b'From: "a\\" <x@evil.test>, \\"b" <bobx@x.test>\nTo: not-an-address\nSubject: x\n\nx\n'
    )
    draft = answering.reply_draft(filed(alice, letter, now=now), everyone=True)
    assert all(entry.endswith("<bobx@x.test>") or entry == "bobx@x.test" for entry in draft.to)


def test_an_answer_to_a_list_is_marked(alice, now):
    message = filed(alice, b"List-Id: <talk.x.test>\n" + LETTER, now=now)
    assert answering.reply_draft(message).is_list_reply


def test_a_forward_tells_where_it_comes_from_and_names_nobody(alice, now):
    draft = answering.forward_draft(filed(alice, now=now))
    assert draft.to == draft.cc == draft.bcc == []
    assert draft.subject == "Fwd: Lease"
    assert "From: Bob at X <bobx@x.test>\nDate: 19 November 2026" in draft.body
    assert "The lease is ready.\n> signed?" in draft.body


WITH_FILE = b"""From: bobx@x.test
Subject: File
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

See file.
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename="lease.pdf"
Content-Transfer-Encoding: base64

JVBERg==
--b--
"""


def test_a_forward_takes_along_the_files_that_were_kept(alice, now):
    message = filed(alice, WITH_FILE, now=now)
    path = message.attachments.get().part
    draft = answering.forwards(Draft(user=alice, uuid=uuid4()), message)
    composing.save_draft(draft, Written(), now=now, keep=[path])
    file = draft.attachments.get()
    assert (file.name, file.content_type, bytes(file.data)) == (
        "lease.pdf",
        "application/pdf",
        b"%PDF",
    )
    composing.save_draft(draft, Written(version=1), now=now + timedelta(minutes=1), keep=[path])
    assert draft.attachments.count() == 1
