"""The outbox tells what has not left yet, and every button does what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse

from delivery import services as delivery
from delivery.models import OutboundMessage, State
from delivery.policy.modes import Mode
from mailweb.webmail import composing, sending
from mailweb.webmail.composing import Written
from mailweb.webmail.models import Draft, Message, Role
from mailweb.webmail.sending import Answers
from tests.delivery.factories import LATER, REFUSED, claimed, settled

OUTBOX = "/mail/outbox/"


@pytest.fixture(autouse=True)
def frozen(time_machine, now):
    time_machine.move_to(now, tick=False)


def sent(user, now, **changes) -> OutboundMessage:
    fields = {"sender": "alice@mailweb.test", "to": ("bob@x.test",), "subject": "Lease"}
    draft = composing.save_draft(composing.new_draft(user), Written(**(fields | changes)), now=now)
    return sending.send(draft, now=now, answers=Answers(anyway=True))


def failed(user, now, **changes) -> OutboundMessage:
    message = sent(user, now, **changes)
    delivery.send_now(message=message, now=now)
    # Not about the address: that would be remembered, and the next message to it refused.
    settled(claimed(now), replace(REFUSED, enhanced="5.7.1"), now)
    return message


def waiting(user, now) -> OutboundMessage:
    message = sent(user, now)
    delivery.send_now(message=message, now=now)
    settled(claimed(now), LATER, now)
    return message


def held(user, now) -> OutboundMessage:
    message = sent(user, now)
    message.recipients.update(
        state=State.HELD,
        next_attempt_at=None,
        asks_sender=True,
        explanation="x.test offers no TLS any more.",
    )
    # Only what was scheduled is held like that, and has no undo window.
    OutboundMessage.objects.filter(pk=message.pk).update(undo_until=None)
    return message


def url(name: str, message: OutboundMessage, *more: object) -> str:
    return reverse(f"webmail:{name}", args=[message.uuid, *more])


def state_of(message: OutboundMessage) -> str:
    return message.recipients.get().state


def test_an_empty_outbox_says_what_will_appear_here(as_alice):
    page = as_alice.get(OUTBOX)
    assert page.status_code == 200
    assert "Nothing is waiting to leave." in page.text


def test_what_was_just_sent_can_be_undone_for_some_seconds(as_alice, alice, now):
    message = sent(alice, now)
    page = as_alice.get(OUTBOX).text
    assert "Lease" in page
    assert "bob@x.test" in page
    assert "seconds to undo" in page
    assert url("undo-send", message) in page
    assert "1 message" in page


def test_states_have_their_words_and_buttons(as_alice, alice, now):
    failed(alice, now, subject="Deed")
    waiting(alice, now)
    held(alice, now)
    page = as_alice.get(OUTBOX).text
    assert "3 messages, 2 need you" in page
    for words in (
        "Needs you",
        "Failed",
        "Held",
        "On its way",
        "Waiting",
        "Try now",
        "Send all the",
    ):
        assert words in page
    assert "550 5.1.1 such user" in page
    assert "451 4.7.1 later" in page
    assert "x.test offers no TLS any more." in page


def test_the_list_alone_is_sent_to_a_script(as_alice, alice, now):
    sent(alice, now)
    answer = as_alice.get(OUTBOX, headers={"HX-Request": "true", "HX-Target": "outbox-list"}).text
    assert answer.strip().startswith("<div")
    assert 'id="outbox-list"' in answer
    assert "<html" not in answer
    assert "load delay:11s" in answer


def test_nobody_sees_the_outbox_of_others(as_charlie, alice, now):
    message = sent(alice, now)
    assert "Lease" not in as_charlie.get(OUTBOX).text
    assert str(message.uuid) not in as_charlie.get(OUTBOX).text


ACTIONS = (
    ("undo-send",),
    ("send-now",),
    ("retry-now",),
    ("cancel-send",),
    ("put-away",),
    ("reschedule",),
    ("change-modes", "default"),
)
COPY_ACTIONS = (
    ("keep-trying",),
    ("other-address",),
    ("change-mode", "default"),
    ("cancel-copy",),
    ("send-anyway",),
    ("let-wait",),
    ("today",),
)


def every_url(message: OutboundMessage) -> list[str]:
    copy = message.recipients.get().pk
    return [
        *(url(name, message, *more) for name, *more in ACTIONS),
        *(url(name, message, copy, *more) for name, *more in COPY_ACTIONS),
    ]


def test_strangers_get_404_everywhere(as_charlie, alice, now):
    message = failed(alice, now)
    for address in every_url(message):
        assert as_charlie.post(address).status_code == 404
    assert state_of(message) == State.FAILED


def test_a_copy_belongs_to_its_message(as_alice, alice, now):
    one, other = failed(alice, now), failed(alice, now)
    assert as_alice.post(url("keep-trying", one, other.recipients.get().pk)).status_code == 404


def test_who_is_logged_out_is_sent_to_the_door(client, alice, now):
    message = failed(alice, now)
    for address in (OUTBOX, *every_url(message)):
        answer = client.get(address) if address == OUTBOX else client.post(address)
        assert answer.status_code == 302
        assert answer.url.startswith("/accounts/login/")


def test_links_change_nothing(as_alice, alice, now):
    message = failed(alice, now)
    for address in every_url(message):
        assert as_alice.get(address).status_code == 405
    assert as_alice.post(OUTBOX).status_code == 405


def test_undo_opens_the_draft_again(as_alice, alice, now):
    message = sent(alice, now, body="Dear Bob")
    answer = as_alice.post(url("undo-send", message), follow=True)
    assert answer.redirect_chain[-1][0] == f"/mail/compose/{Draft.objects.get().uuid}/"
    assert "Dear Bob" in answer.text
    assert "Taken back. Nothing was sent." in answer.text


def test_undo_by_a_script_leads_to_the_draft(as_alice, alice, now):
    message = sent(alice, now)
    answer = as_alice.post(url("undo-send", message), headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == f"/mail/compose/{Draft.objects.get().uuid}/"


def test_undo_that_comes_too_late_says_so(as_alice, alice, now):
    message = sent(alice, now)
    delivery.send_now(message=message, now=now)
    claimed(now)
    answer = as_alice.post(url("undo-send", message), follow=True)
    assert "Too late to undo: a copy has begun to leave." in answer.text
    assert not Draft.objects.exists()


def test_send_now_does_not_wait_for_the_undo_window(as_alice, alice, now):
    message = sent(alice, now)
    assert as_alice.post(url("send-now", message)).url == OUTBOX
    assert state_of(message) == State.QUEUED


def test_a_held_message_can_be_let_go(as_alice, alice, now):
    message = held(alice, now)
    as_alice.post(url("send-anyway", message, message.recipients.get().pk))
    assert state_of(message) == State.QUEUED


def test_a_waiting_message_can_be_tried_now(as_alice, alice, now):
    message = waiting(alice, now)
    as_alice.post(url("retry-now", message))
    assert message.recipients.get().next_attempt_at == now


def test_cancel_stops_what_has_not_left(as_alice, alice, now):
    message = waiting(alice, now)
    as_alice.post(url("cancel-send", message))
    assert state_of(message) == State.CANCELLED
    assert "Nothing is waiting to leave." in as_alice.get(OUTBOX).text


def test_what_has_moved_on_meanwhile_is_said(as_alice, alice, now):
    message = failed(alice, now)
    answer = as_alice.post(
        url("retry-now", message), headers={"HX-Request": "true", "HX-Target": "outbox-list"}
    )
    assert "moved on meanwhile" in answer.text
    assert answer.text.strip().startswith("<div")


def test_a_failed_copy_can_be_tried_again(as_alice, alice, now):
    message = failed(alice, now)
    as_alice.post(url("keep-trying", message, message.recipients.get().pk))
    assert state_of(message) == State.QUEUED


@pytest.mark.parametrize("mode", ["default", "optional"])
def test_a_failed_copy_can_go_differently(as_alice, alice, now, mode):
    message = failed(alice, now, mode=Mode.VERIFIED, mode_is_by_hand=True)
    copy = message.recipients.get()
    as_alice.post(url("change-mode", message, copy.pk, mode))
    copy.refresh_from_db()
    assert (copy.state, copy.mode) == (State.QUEUED, mode)


def test_modes_that_nobody_knows_do_not_exist(as_alice, alice, now):
    message = failed(alice, now)
    copy = message.recipients.get()
    assert as_alice.post(url("change-mode", message, copy.pk, "careless")).status_code == 404
    assert as_alice.post(url("change-modes", message, "careless")).status_code == 404


def test_another_address_opens_the_message_with_the_recipient_empty(as_alice, alice, now):
    draft = composing.save_draft(
        composing.new_draft(alice),
        Written(sender="alice@mailweb.test", to=("bob@x.test",), subject="Deed", body="Dear Bob"),
        now=now,
    )
    draft.attachments.create(
        name="a.pdf", content_type="application/pdf", size_bytes=4, data=b"%PDF"
    )
    message = sending.send(draft, now=now)
    delivery.send_now(message=message, now=now)
    settled(claimed(now), REFUSED, now)
    answer = as_alice.post(url("other-address", message, message.recipients.get().pk))
    fresh = Draft.objects.get()
    assert answer.url == f"/mail/compose/{fresh.uuid}/"
    assert (fresh.to, fresh.subject, fresh.body.strip()) == ([], "Deed", "Dear Bob")
    assert bytes(fresh.attachments.get().data) == b"%PDF"


def test_another_address_without_a_sent_copy_says_so(as_alice, alice, now):
    message = failed(alice, now)
    Message.objects.filter(mailbox__role=Role.SENT).delete()
    answer = as_alice.post(url("other-address", message, message.recipients.get().pk), follow=True)
    assert "no copy of this message in Sent" in answer.text


def test_what_failed_can_be_put_away(as_alice, alice, now):
    message = failed(alice, now)
    as_alice.post(url("put-away", message))
    assert "Nothing is waiting to leave." in as_alice.get(OUTBOX).text


def test_a_scheduled_message_can_be_edited(as_alice, alice, now):
    message = sent(alice, now)
    later = now + timedelta(days=1)
    OutboundMessage.objects.filter(pk=message.pk).update(undo_until=None)
    message.recipients.update(next_attempt_at=later)
    page = as_alice.get(OUTBOX).text
    assert "tomorrow 12:00" in page
    assert "Edit" in page
    as_alice.post(url("undo-send", message))
    assert Draft.objects.get().subject == "Lease"


def test_the_outbox_costs_the_same_however_much_is_in_it(
    as_alice, alice, now, django_assert_max_num_queries
):
    for number in range(12):
        sent(alice, now, to=(f"bob@x{number}.test",))
    with django_assert_max_num_queries(15):
        as_alice.get(OUTBOX)


@pytest.mark.parametrize(
    ("target", "times"), [("outbox-list", 1), ("body", 0)], ids=["the part", "the whole page"]
)
def test_the_summary_goes_beside_the_part_and_never_beside_the_page(
    as_alice, alice, now, target, times
):
    sent(alice, now)
    headers = {"HX-Request": "true", "HX-Target": target}
    page = as_alice.get(OUTBOX, headers=headers).content.decode()
    assert page.count('hx-swap-oob="true"') == times
    assert page.count('id="outbox-summary"') == 1
