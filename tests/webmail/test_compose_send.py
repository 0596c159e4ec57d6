"""Send hands over everything or nothing, asks what has to be asked, and can be undone."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts import selectors as accounts
from accounts.models import Pledge
from delivery import services as delivery
from delivery.models import OutboundMessage, Recipient, State
from delivery.policy.facts import DnsFailure
from delivery.policy.modes import BrokenTls, Mode, PledgeKind
from mailweb.webmail import answering, composing, outlook, sending, services
from mailweb.webmail.composing import Written
from mailweb.webmail.models import Correspondent, Draft, Message, Role
from mailweb.webmail.sending import Answers
from tests.delivery.factories import claimed
from tests.webmail.servers import broken, looked_up, plain, strong


def a_draft(user, now, **changes) -> Draft:
    fields = {"sender": "alice@mailweb.test", "to": ("bob@x.test",), "subject": "Lease"}
    draft = composing.new_draft(user)
    return composing.save_draft(draft, Written(**(fields | changes)), now=now)


def modes(message: OutboundMessage) -> dict[str, str]:
    return dict(message.recipients.values_list("address", "mode"))


def content_of(message: OutboundMessage):
    return message_from_bytes(bytes(message.content.data), policy=policy.default)


def test_send_queues_files_and_puts_the_draft_out_of_sight(alice, now):
    draft = a_draft(alice, now, to=("Bob <bob@x.test>",), cc=("carol@y.test",), body="Hello.")
    message = sending.send(draft, now=now)
    assert set(modes(message)) == {"bob@x.test", "carol@y.test"}
    assert message.mail_from == "alice@mailweb.test"
    letter = content_of(message)
    assert str(letter["To"]) == "Bob <bob@x.test>"
    assert str(letter["From"]) == "Alice <alice@mailweb.test>"
    assert letter["Message-ID"].endswith("@mail.mailweb.test>")
    assert letter["Message-ID"] == message.message_id
    sent = Message.objects.get(mailbox__role=Role.SENT)
    assert (sent.outbound, sent.is_seen, sent.subject) == (message, True, "Lease")
    assert not Draft.objects.exists()


def test_a_blind_copy_is_delivered_and_named_nowhere_but_in_sent(alice, now):
    draft = a_draft(alice, now, bcc=("Carol <carol@y.test>",))
    message = sending.send(draft, now=now)
    assert "carol@y.test" in modes(message)
    assert b"carol" not in bytes(message.content.data).lower()
    assert b"bcc" not in bytes(message.content.data).lower()
    assert Message.objects.get(mailbox__role=Role.SENT).bcc == [["Carol", "carol@y.test"]]


def test_who_is_named_twice_gets_one_copy_at_the_first_place(alice, now):
    draft = a_draft(
        alice,
        now,
        to=("bob@x.test", "Bob <BOB@X.test>"),
        cc=("bob@x.test", "carol@y.test"),
        bcc=("carol@y.test",),
    )
    message = sending.send(draft, now=now)
    assert list(modes(message)) == ["bob@x.test", "carol@y.test"]
    assert str(content_of(message)["Cc"]) == "carol@y.test"


def test_the_server_holds_longer_than_undo_is_shown(alice, now):
    message = sending.send(a_draft(alice, now), now=now)
    assert message.undo_until == now + timedelta(seconds=10)
    held = message.recipients.get()
    assert held.state == State.SCHEDULED
    assert held.next_attempt_at == now + timedelta(seconds=15)


def test_without_an_undo_window_it_leaves_at_once(alice, now):
    preferences = accounts.preferences_of(alice)
    preferences.undo_seconds = 0
    preferences.save()
    message = sending.send(a_draft(alice, now), now=now)
    assert message.undo_until is None
    assert message.recipients.get().state == State.QUEUED


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"to": ()}, "to", "no recipient"),
        ({"to": ("bob",)}, "to", "“bob” has no @."),
        ({"cc": ("bob@[127.0.0.1]",)}, "cc", "IP address in brackets"),
        ({"bcc": ("bob@x",)}, "bcc", "not a complete domain"),
        ({"sender": "charlie@mailweb.test"}, "sender", "not one of your addresses"),
        ({"sender": "alice@mailweb.test\r\nX: y"}, "sender", "not one of your addresses"),
        ({"subject": "Lease\r\nBcc: charlie@x.test"}, "subject", "line break"),
        ({"subject": "Lease\nX: y"}, "subject", "line break"),
        ({"subject": "Lease\x0by"}, "subject", "line break"),
        ({"subject": "x" * 999}, "subject", "too long"),
        ({"to": ("bob@x.test\r\nBcc: charlie@x.test",)}, "to", "line break"),
    ],
)
def test_what_has_to_be_put_right_is_said_and_nothing_changes(alice, now, changes, field, words):
    draft = a_draft(alice, now, body="Dear Bob", **changes)
    with pytest.raises(sending.UnfinishedDraftError) as refusal:
        sending.send(draft, now=now)
    assert words in refusal.value.errors[field][0]
    assert Draft.objects.get().body == "Dear Bob"
    assert not OutboundMessage.objects.exists()
    assert not Message.objects.exists()


def test_everything_wrong_is_said_at_once(alice, now):
    draft = a_draft(alice, now, to=("bob",), cc=("x@",), subject="a\nb", sender="x@y.test")
    with pytest.raises(sending.UnfinishedDraftError) as refusal:
        sending.send(draft, now=now)
    assert set(refusal.value.errors) == {"to", "cc", "subject", "sender"}


def test_two_thousand_recipients_are_too_many(alice, now):
    draft = a_draft(alice, now, to=tuple(f"p{number}@x.test" for number in range(2000)))
    with pytest.raises(sending.UnfinishedDraftError) as refusal:
        sending.send(draft, now=now)
    assert refusal.value.errors["to"] == [
        "2,000 recipients are too many: one message can have 500. Remove 1,500."
    ]
    assert len(Draft.objects.get().to) == 2000


def test_five_hundred_recipients_are_not(alice, now, settings):
    settings.SENDING_NEW_RECIPIENTS_PER_DAY = 0
    draft = a_draft(alice, now, to=tuple(f"p{number}@x.test" for number in range(500)))
    assert sending.send(draft, now=now).recipients.count() == 500


def test_a_message_over_the_limit_stays_a_draft_with_its_files(alice, now, settings):
    draft = a_draft(alice, now, body="x" * 600)
    composing.attach(draft, SimpleUploadedFile("a.bin", b"y" * 500))
    settings.MAX_MESSAGE_BYTES = 1000
    with pytest.raises(sending.UnfinishedDraftError, match="the limit"):
        sending.send(draft, now=now)
    assert draft.attachments.count() == 1


def test_a_full_load_of_files_can_be_sent(alice, now, settings):
    settings.MAX_MESSAGE_BYTES = 300_000
    draft = a_draft(alice, now)
    composing.attach(draft, SimpleUploadedFile("a.bin", b"y" * 300_000))
    message = sending.send(draft, now=now)
    assert content_of(message).get_payload()[1].get_payload(decode=True) == b"y" * 300_000


def test_addresses_in_other_scripts_are_sent_as_servers_need_them(alice, now):
    draft = a_draft(alice, now, to=("jüri@münchen.test", "b@straße.test"))
    message = sending.send(draft, now=now)
    domains = set(message.recipients.values_list("domain", flat=True))
    assert domains == {"xn--mnchen-3ya.test", "xn--strae-oqa.test"}
    assert message.needs_smtputf8


def test_requiretls_is_chosen_when_everybody_can(alice, now):
    strong("x.test", owner=alice, now=now)
    assert modes(sending.send(a_draft(alice, now), now=now)) == {"bob@x.test": Mode.REQUIRETLS}


def test_a_choice_by_hand_is_kept_on_every_copy(alice, now):
    strong("x.test", owner=alice, now=now)
    draft = a_draft(alice, now, mode=Mode.DEFAULT, mode_is_by_hand=True)
    assert modes(sending.send(draft, now=now)) == {"bob@x.test": Mode.DEFAULT}


def test_a_choice_for_one_copy_counts_for_that_copy_only(alice, now):
    strong("x.test", owner=alice, now=now)
    plain("plain.test", owner=alice, now=now)
    draft = a_draft(alice, now, to=("bob@x.test", "post@plain.test"))
    composing.choose_copy_mode(draft, key="bob@x.test", mode=Mode.REQUIRETLS)
    assert modes(sending.send(draft, now=now)) == {
        "bob@x.test": Mode.REQUIRETLS,
        "post@plain.test": Mode.DEFAULT,
    }


def test_a_choice_that_cannot_be_met_stops_send_until_somebody_decides(alice, now):
    plain("plain.test", owner=alice, now=now)
    draft = a_draft(alice, now, to=("post@plain.test",), mode=Mode.REQUIRETLS, mode_is_by_hand=True)
    with pytest.raises(sending.CannotBeMetError) as refusal:
        sending.send(draft, now=now)
    assert refusal.value.sentence
    assert not OutboundMessage.objects.exists()
    message = sending.send(draft, now=now, answers=Answers(anyway=True))
    assert modes(message) == {"post@plain.test": Mode.REQUIRETLS}


def test_those_who_can_are_sent_to_and_the_others_wait_in_a_draft(alice, now):
    strong("x.test", owner=alice, now=now)
    plain("plain.test", owner=alice, now=now)
    draft = a_draft(
        alice,
        now,
        to=("bob@x.test",),
        cc=("Post <post@plain.test>",),
        body="Hello.",
        mode=Mode.REQUIRETLS,
        mode_is_by_hand=True,
    )
    composing.attach(draft, SimpleUploadedFile("a.pdf", b"%PDF"))
    assert outlook.split_off_impossible(draft, now=now) == ("post@plain.test",)
    message = sending.send(draft, now=now)
    assert modes(message) == {"bob@x.test": Mode.REQUIRETLS}
    rest = Draft.objects.get()
    assert (rest.to, rest.cc, rest.body) == ([], ["Post <post@plain.test>"], "Hello.")
    assert bytes(rest.attachments.get().data) == b"%PDF"
    assert sending.sent_sentence(message, now=now, left=("post@plain.test",)) == (
        "Sending to 1 person in 10 seconds. For post@plain.test it stays in Drafts."
    )


def test_default_can_be_chosen_for_those_who_cannot(alice, now):
    strong("x.test", owner=alice, now=now)
    plain("plain.test", owner=alice, now=now)
    draft = a_draft(
        alice,
        now,
        to=("bob@x.test", "post@plain.test"),
        mode=Mode.REQUIRETLS,
        mode_is_by_hand=True,
    )
    outlook.relax_refused(draft, now=now)
    assert modes(sending.send(draft, now=now)) == {
        "bob@x.test": Mode.REQUIRETLS,
        "post@plain.test": Mode.DEFAULT,
    }


def test_tls_optional_by_rule_needs_one_yes(alice, now):
    broken("harbour.test", owner=alice, now=now)
    draft = a_draft(alice, now, to=("post@harbour.test",))
    with pytest.raises(sending.ConsentNeededError) as question:
        sending.send(draft, now=now)
    assert [consent.address for consent in question.value.consents] == ["post@harbour.test"]
    assert "harbour.test" in question.value.consents[0].sentence
    answers = Answers(consents=frozenset({"post@harbour.test"}))
    assert modes(sending.send(draft, now=now, answers=answers)) == {
        "post@harbour.test": Mode.OPTIONAL
    }


def test_a_no_lets_the_copy_wait_for_working_tls(alice, now):
    broken("harbour.test", owner=alice, now=now)
    draft = a_draft(alice, now, to=("post@harbour.test",))
    answers = Answers(insists=frozenset({"post@harbour.test"}))
    message = sending.send(draft, now=now, answers=answers)
    assert modes(message) == {"post@harbour.test": Mode.DEFAULT}


def test_who_wants_it_automatic_is_not_asked(alice, now):
    broken("harbour.test", owner=alice, now=now)
    preferences = accounts.preferences_of(alice)
    preferences.on_broken_tls = BrokenTls.AUTOMATIC
    preferences.save()
    message = sending.send(a_draft(alice, now, to=("post@harbour.test",)), now=now)
    assert modes(message) == {"post@harbour.test": Mode.OPTIONAL}


def test_a_pledge_goes_with_its_copy(alice, now):
    looked_up("x.test", now=now)
    Pledge.objects.create(user=alice, target="x.test", kind=PledgeKind.VERIFIED)
    draft = a_draft(alice, now, to=("bob@x.test", "carol@y.test"))
    message = sending.send(draft, now=now, answers=Answers(anyway=True))
    pledges = dict(message.recipients.values_list("address", "pledge"))
    assert pledges == {"bob@x.test": PledgeKind.VERIFIED, "carol@y.test": ""}


def test_a_domain_that_takes_no_mail_stops_send(alice, now):
    looked_up("nullmx.test", now=now, failure=DnsFailure.NULL_MX)
    with pytest.raises(sending.CannotBeMetError):
        sending.send(a_draft(alice, now, to=("bob@nullmx.test",)), now=now)


def test_unknown_servers_never_stop_send(alice, now):
    assert sending.send(a_draft(alice, now, to=("bob@new.test",)), now=now).pk


def test_a_second_press_of_send_finds_it_sent(alice, now):
    draft = a_draft(alice, now)
    stale = Draft.objects.get()
    sending.send(draft, now=now)
    with pytest.raises(composing.DraftSentError):
        sending.send(stale, now=now)
    assert OutboundMessage.objects.count() == 1
    assert Message.objects.filter(mailbox__role=Role.SENT).count() == 1


def test_a_failure_while_filing_leaves_everything_as_it_was(alice, now, monkeypatch):
    draft = a_draft(alice, now)

    def full(**_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("mailweb.webmail.services.file_message", full)
    with pytest.raises(OSError, match="disk full"):
        sending.send(draft, now=now)
    assert Draft.objects.get().to == ["bob@x.test"]
    assert not OutboundMessage.objects.exists()
    assert not Correspondent.objects.exists()


def answered(user, now) -> Message:
    data = b"From: mira@x.test\r\nMessage-ID: <1@x.test>\r\nSubject: Lease\r\n\r\nReady?\r\n"
    return services.file_message(user=user, role_or_mailbox=Role.INBOX, data=data, now=now)


def test_an_answer_is_threaded_and_the_original_marked(alice, now):
    original = answered(alice, now)
    draft = answering.reply_draft(original)
    composing.save_draft(draft, Written(sender=draft.sender, to=tuple(draft.to)), now=now)
    letter = content_of(sending.send(draft, now=now))
    assert letter["In-Reply-To"] == letter["References"] == "<1@x.test>"
    original.refresh_from_db()
    assert original.is_answered
    assert Message.objects.get(mailbox__role=Role.SENT).thread == original.thread


def test_a_forward_is_marked_and_is_no_answer(alice, now):
    original = answered(alice, now)
    draft = answering.forward_draft(original)
    composing.save_draft(draft, Written(sender=draft.sender, to=("bob@x.test",)), now=now)
    letter = content_of(sending.send(draft, now=now))
    assert letter["In-Reply-To"] is None
    assert letter["References"] == "<1@x.test>"
    original.refresh_from_db()
    assert original.is_forwarded


def test_people_written_to_are_remembered_with_their_latest_name(alice, now):
    sending.send(a_draft(alice, now, to=("Bob <bob@x.test>", "carol@y.test")), now=now)
    later = now + timedelta(days=1)
    sending.send(a_draft(alice, later, to=("Robert <bob@x.test>",)), now=later)
    people = {one.address: (one.name, one.messages) for one in Correspondent.objects.all()}
    assert people == {"bob@x.test": ("Robert", 2), "carol@y.test": ("", 1)}


def test_undo_brings_back_the_very_same_draft(alice, now):
    original = answered(alice, now)
    draft = answering.reply_draft(original)
    composing.save_draft(
        draft,
        Written(
            sender=draft.sender,
            to=("Mira <mira@x.test>",),
            bcc=("carol@y.test",),
            body="Yes.",
            mode=Mode.VERIFIED,
            mode_is_by_hand=True,
        ),
        now=now,
    )
    composing.choose_copy_mode(draft, key="carol@y.test", mode=Mode.DEFAULT)
    composing.attach(draft, SimpleUploadedFile("a.pdf", b"%PDF"))
    message = sending.send(draft, now=now)
    restored = sending.undo(message, user=alice, now=now + timedelta(seconds=9))
    assert restored == Draft.objects.get()
    assert restored.uuid == draft.uuid
    assert restored.bcc == ["carol@y.test"]
    assert restored.copy_modes == {"carol@y.test": "default"}
    assert (restored.mode, restored.mode_is_by_hand) == (Mode.VERIFIED, True)
    assert bytes(restored.attachments.get().data) == b"%PDF"
    assert set(message.recipients.values_list("state", flat=True)) == {State.CANCELLED}
    assert not Message.objects.filter(outbound=message).exists()
    original.refresh_from_db()
    assert not original.is_answered


def test_undo_says_so_when_a_copy_has_begun_to_leave(alice, now):
    draft = a_draft(alice, now, to=("bob@x.test", "carol@y.test"))
    message = sending.send(draft, now=now)
    delivery.send_now(message=message, now=now)
    claimed(now, limit=1)
    assert sending.undo(message, user=alice, now=now) is None
    assert not Draft.objects.exists()
    assert Message.objects.filter(outbound=message).exists()
    assert not Recipient.objects.filter(state=State.CANCELLED).exists()


def test_a_sent_draft_is_kept_as_long_as_undo_may_come(alice, now):
    message = sending.send(a_draft(alice, now), now=now)
    assert sending.forget_sent_drafts(now=now + timedelta(minutes=1)) == 0
    delivery.send_now(message=message, now=now)
    claimed(now)
    assert sending.forget_sent_drafts(now=now + timedelta(hours=1)) == 1
    assert not Draft.with_sent.exists()


def test_a_scheduled_message_waits_for_its_time_and_can_be_taken_back(alice, now):
    at = now + timedelta(days=1)
    message = sending.send(a_draft(alice, now), now=now, release_at=at)
    assert message.undo_until is None
    assert message.recipients.get().next_attempt_at == at
    assert sending.sent_sentence(message, now=now, release_at=at) == "It leaves tomorrow at 12:00."
    assert sending.forget_sent_drafts(now=now + timedelta(hours=20)) == 0
    assert sending.undo(message, user=alice, now=now + timedelta(hours=20)) == Draft.objects.get()
