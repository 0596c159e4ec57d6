"""What senders do with messages that have not left: other times, other modes, back to a draft."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts import services as accounts
from delivery import services as delivery
from delivery.models import OutboundMessage, State
from delivery.policy.modes import Mode, PledgeKind
from delivery.policy.promise import IfWorse
from mailweb.webmail import composing, sending
from mailweb.webmail.composing import Written
from mailweb.webmail.models import Draft, Message, Role
from mailweb.webmail.sending import Answers
from tests.delivery.factories import LATER, claimed, settled
from tests.webmail.letters import file, letter
from tests.webmail.test_outbox import OUTBOX, held, state_of, url

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def frozen(time_machine, now):
    time_machine.move_to(now, tick=False)


def scheduled(user, now, *to: str, **fields) -> OutboundMessage:
    written = {"sender": "alice@mailweb.test", "subject": "Lease", "body": "Dear Bob"} | fields
    draft = composing.save_draft(
        composing.new_draft(user), Written(to=to or ("bob@x.test",), **written), now=now
    )
    return sending.send(draft, now=now, answers=Answers(anyway=True), release_at=now + DAY)


def page_of(browser, message):
    answer = browser.get(url("outbox-message", message))
    assert answer.status_code == 200
    return answer.text


def test_the_page_of_a_message_has_every_copy_and_what_can_be_done(as_alice, alice, now):
    message = scheduled(alice, now, "bob@x.test", "eve@y.test")
    page = page_of(as_alice, message)
    for shown in ("bob@x.test", "eve@y.test", "Change time", "tomorrow 12:00", "Cancel this copy"):
        assert shown in page
    for name in ("Default", "Verified", "REQUIRETLS", "TLS optional"):
        assert f'<span class="option-name">{name}</span>' in page


def test_nobody_sees_the_page_of_others(as_charlie, alice, now):
    assert as_charlie.get(url("outbox-message", scheduled(alice, now))).status_code == 404


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ({"later": "at", "send_at": "2026-11-23T09:30"}, "2026-11-23 09:30"),
        ({"send_at": "2027-01-19T11:59"}, "2027-01-19 11:59"),
        ({"later": "hour", "send_at": ""}, "2026-11-20 13:00"),
        ({"later": "monday"}, "2026-11-23 08:00"),
    ],
)
def test_a_scheduled_message_gets_another_time(as_alice, alice, now, said, at):
    message = scheduled(alice, now)
    assert as_alice.post(url("reschedule", message), said).url == OUTBOX
    copy = message.recipients.get()
    assert f"{copy.next_attempt_at:%Y-%m-%d %H:%M}" == at
    message.refresh_from_db()
    assert message.release_at == copy.next_attempt_at
    assert message.expires_at == copy.next_attempt_at + 5 * DAY
    assert copy.if_worse == IfWorse.HOLD


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Choose a day and a time."),
        ("soon", "Choose a day and a time."),
        ("2026-11-20T11:00", "That time has passed. Choose a later one."),
        ("2027-01-20T12:01", "60 days"),
    ],
)
def test_an_impossible_time_is_refused_and_what_was_typed_stays(
    as_alice, alice, now, typed, sentence
):
    message = scheduled(alice, now)
    answer = as_alice.post(url("reschedule", message), {"later": "at", "send_at": typed})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{typed}"' in answer.text
    assert message.recipients.get().next_attempt_at == now + DAY


def test_another_time_ends_the_undo_window(as_alice, alice, now):
    draft = composing.save_draft(
        composing.new_draft(alice),
        Written(sender="alice@mailweb.test", to=("bob@x.test",), subject="Lease"),
        now=now,
    )
    message = sending.send(draft, now=now)
    as_alice.post(url("reschedule", message), {"later": "tomorrow"})
    message.refresh_from_db()
    assert message.undo_until is None
    assert claimed(now + timedelta(minutes=5)).copies == ()


@pytest.mark.parametrize("name", ["reschedule", "send-now", "cancel-send", "undo-send"])
def test_whoever_comes_after_the_worker_is_told_so(as_alice, alice, now, time_machine, name):
    message = scheduled(alice, now)
    time_machine.move_to(now + DAY, tick=False)
    assert len(claimed(now + DAY).copies) == 1
    answer = as_alice.post(url(name, message), {"later": "hour"}, follow=True)
    assert "moved on meanwhile" in answer.text or "Too late to undo" in answer.text
    assert state_of(message) == State.SENDING
    assert not Draft.objects.exists()


def test_one_copy_is_cancelled_and_the_others_leave(as_alice, alice, now):
    message = scheduled(alice, now, "bob@x.test", "eve@y.test")
    bob, eve = message.recipients.all()
    as_alice.post(url("cancel-copy", message, bob.pk))
    assert [copy.state for copy in message.recipients.all()] == [State.CANCELLED, State.SCHEDULED]
    assert "Nothing was sent." in page_of(as_alice, message)
    taken = claimed(now + DAY).copies
    assert [copy.pk for copy in taken] == [eve.pk]


def test_a_copy_that_is_being_sent_can_not_be_cancelled(as_alice, alice, now):
    message = scheduled(alice, now)
    claimed(now + DAY)
    answer = as_alice.post(url("cancel-copy", message, message.recipients.get().pk), follow=True)
    assert "moved on meanwhile" in answer.text


def test_edit_brings_everything_back_but_those_who_were_cancelled(as_alice, alice, now):
    origin = file(alice, now, letter(subject="The lease?"))
    draft = composing.new_draft(alice)
    draft.reply_to, draft.references = origin, ["<a@b.test>"]
    draft = composing.save_draft(
        draft,
        Written(
            sender="alice@mailweb.test",
            to=("bob@x.test", "Eve <eve@y.test>"),
            bcc=("zoe@z.test",),
            subject="Lease",
            body="Dear both",
        ),
        now=now,
    )
    draft.attachments.create(
        name="a.pdf", content_type="application/pdf", size_bytes=4, data=b"%PDF"
    )
    message = sending.send(draft, now=now, release_at=now + DAY)
    bob, eve, _ = message.recipients.all()
    as_alice.post(url("change-mode", message, eve.pk, "optional"))
    as_alice.post(url("cancel-copy", message, bob.pk))
    as_alice.post(url("undo-send", message))
    back = Draft.objects.get()
    assert (back.pk, back.to, back.bcc) == (draft.pk, ["Eve <eve@y.test>"], ["zoe@z.test"])
    assert (back.body, back.reply_to, back.references) == ("Dear both", origin, ["<a@b.test>"])
    assert back.copy_modes == {"eve@y.test": "optional"}
    assert bytes(back.attachments.get().data) == b"%PDF"
    assert {copy.state for copy in message.recipients.all()} == {State.CANCELLED}
    assert not Message.objects.filter(mailbox__role=Role.SENT).exists()
    assert claimed(now + DAY).copies == ()


def test_what_is_held_or_waits_without_a_try_can_still_be_edited(as_alice, alice, now):
    message = held(alice, now)
    assert sending.forget_sent_drafts(now=now + DAY) == 0
    as_alice.post(url("undo-send", message))
    assert Draft.objects.get().subject == "Lease"


def test_what_was_tried_once_is_not_edited_any_more(as_alice, alice, now):
    message = scheduled(alice, now)
    settled(claimed(now + DAY), LATER, now + DAY)
    assert sending.forget_sent_drafts(now=now + DAY) == 1
    answer = as_alice.post(url("undo-send", message), follow=True)
    assert "cancelled but not edited" in answer.text
    assert state_of(message) == State.WAITING


def test_all_copies_get_another_mode_and_keep_their_time(as_alice, alice, now):
    message = scheduled(alice, now, "bob@x.test", "eve@y.test")
    as_alice.post(url("change-modes", message, "verified"))
    for copy in message.recipients.all():
        assert (copy.mode, copy.state) == (Mode.VERIFIED, State.SCHEDULED)
        assert copy.next_attempt_at == now + DAY
    draft = Draft.with_sent.get()
    assert (draft.mode, draft.mode_is_by_hand) == (Mode.VERIFIED, True)


def test_an_operators_hold_is_not_lifted_by_its_sender(as_alice, alice, now):
    message = scheduled(alice, now)
    copy = message.recipients.get()
    message.recipients.update(
        state=State.HELD, next_attempt_at=None, held_at=now, hold_reason="Audit"
    )
    for name, *more in (("send-anyway",), ("let-wait",), ("today",), ("change-mode", "optional")):
        as_alice.post(url(name, message, copy.pk, *more))
        assert state_of(message) == State.HELD
    as_alice.post(url("send-now", message))
    assert state_of(message) == State.HELD
    page = as_alice.get(OUTBOX).text
    assert "The operator of this server holds it: Audit." in page
    assert "since 12:00" in page
    assert "1 message</span>" in page
    message.recipients.update(hold_reason="Audit.")
    assert "The operator of this server holds it: Audit." in as_alice.get(OUTBOX).text


def test_a_held_copy_can_wait_for_what_was_promised(as_alice, alice, now):
    message = held(alice, now)
    as_alice.post(url("let-wait", message, message.recipients.get().pk))
    copy = message.recipients.get()
    assert (copy.state, copy.if_worse, copy.next_attempt_at) == (State.QUEUED, IfWorse.WAIT, now)


def test_a_pledge_made_since_is_offered_to_a_copy_that_waits(as_alice, alice, now):
    message = scheduled(alice, now)
    delivery.send_now(message=message, now=now)
    settled(claimed(now), LATER, now)
    assert "today’s rules" not in as_alice.get(OUTBOX).text
    accounts.make_pledge(user=alice, target="x.test", kind=PledgeKind.PLAIN, now=now)
    assert state_of(message) == State.WAITING
    assert "You have pledged since that plain text is fine for x.test." in as_alice.get(OUTBOX).text
    as_alice.post(url("today", message, message.recipients.get().pk))
    copy = message.recipients.get()
    assert (copy.pledge, copy.state, copy.next_attempt_at) == (PledgeKind.PLAIN, State.QUEUED, now)
    assert "today’s rules" not in as_alice.get(OUTBOX).text


def test_a_rule_made_since_is_offered_to_a_copy_that_is_scheduled(as_alice, alice, now):
    message = scheduled(alice, now)
    preferences = alice.send_preferences
    preferences.allows_plain_text = False
    accounts.save_preferences(preferences=preferences, now=now)
    assert "Your rules for sending have changed since" in as_alice.get(OUTBOX).text
    copy = message.recipients.get()
    as_alice.post(url("today", message, copy.pk))
    message.refresh_from_db()
    copy.refresh_from_db()
    assert message.sender_policy["allows_plain_text"] is False
    assert (copy.state, copy.next_attempt_at) == (State.SCHEDULED, now + DAY)


def test_after_a_button_one_is_back_where_one_was(as_alice, alice, now):
    message = scheduled(alice, now)
    here = url("outbox-message", message)
    answer = as_alice.post(f"{url('change-modes', message, 'verified')}?next={here}")
    assert answer.url == here
    elsewhere = as_alice.post(f"{url('cancel-send', message)}?next=https://evil.test/")
    assert elsewhere.url == OUTBOX


def test_the_copies_alone_are_sent_to_a_script(as_alice, alice, now):
    message = scheduled(alice, now)
    answer = as_alice.get(
        url("outbox-message", message),
        headers={"HX-Request": "true", "HX-Target": "outbox-copies"},
    ).text
    assert answer.strip().startswith("<section")
    assert "<html" not in answer
