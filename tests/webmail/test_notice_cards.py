"""Deliveries that need their sender: as cards above the list, and on the page of the notice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from delivery import notices
from delivery import services as delivery
from delivery.models import State
from delivery.policy.modes import Mode
from delivery.policy.verdict import Way
from mailweb.webmail.models import Draft, Message, Notice
from tests.delivery.factories import LATER, REFUSED, claimed, settled
from tests.webmail.test_outbox import OUTBOX, held, sent, state_of, url
from tests.webmail.test_outbox_actions import scheduled

INBOX = "/mail/inbox/"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def frozen(time_machine, now):
    time_machine.move_to(now, tick=False)


def failed(user, now, enhanced="5.7.1", **fields):
    message = sent(user, now, **fields)
    delivery.send_now(message=message, now=now)
    settled(claimed(now), replace(REFUSED, enhanced=enhanced, public="x.test refuses it."), now)
    notices.tell(now=now)
    return message


def notice_page(browser):
    return browser.get(f"/mail/m/{Message.objects.get(notice__gt='').uuid}/").text


def test_a_failure_says_what_happened_and_what_can_be_done(as_alice, alice, now):
    message = failed(alice, now)
    for page in (as_alice.get(INBOX).text, notice_page(as_alice)):
        assert "x.test refuses it." in page
        assert url("keep-trying", message, message.recipients.get().pk) in page
        assert url("other-address", message, message.recipients.get().pk) in page
        assert url("put-away", message) in page
        assert url("outbox-message", message) in page


def test_the_whole_answer_of_the_server_is_on_the_notice(as_alice, alice, now):
    failed(alice, now)
    assert "550-5.1.1 no\n550 5.1.1 such user" in notice_page(as_alice)


def test_only_what_makes_sense_is_offered(as_alice, alice, now):
    message = failed(alice, now, enhanced="5.1.1")
    page = as_alice.get(INBOX).text
    assert "Another address" in page
    assert url("keep-trying", message, message.recipients.get().pk) not in page


def test_requiretls_can_be_left_out_from_the_card(as_alice, alice, now):
    message = failed(alice, now, enhanced="5.7.30", mode=Mode.REQUIRETLS, mode_is_by_hand=True)
    copy = message.recipients.get()
    target = url("change-mode", message, copy.pk, "default")
    assert "Without REQUIRETLS" in as_alice.get(INBOX).text
    answer = as_alice.post(f"{target}?next={INBOX}")
    assert answer.url == INBOX
    copy.refresh_from_db()
    assert (copy.state, copy.mode) == (State.QUEUED, Mode.DEFAULT)


@pytest.mark.parametrize("name", ["keep-trying", "put-away"])
def test_a_card_goes_once_it_is_answered(as_alice, alice, now, name):
    message = failed(alice, now)
    more = [message.recipients.get().pk] if name == "keep-trying" else []
    as_alice.post(f"{url(name, message, *more)}?next={INBOX}")
    assert "row--card" not in as_alice.get(INBOX).text
    assert Message.objects.get(notice=Notice.FAILED).is_seen


def test_putting_away_leaves_nothing_in_the_outbox(as_alice, alice, now):
    message = failed(alice, now)
    as_alice.post(url("put-away", message))
    assert "Nothing is waiting to leave." in as_alice.get(OUTBOX).text
    assert state_of(message) == State.FAILED


def test_a_delay_is_told_with_the_way_to_wait(as_alice, alice, now, time_machine):
    message = sent(alice, now)
    delivery.send_now(message=message, now=now)
    settled(claimed(now), LATER, now)
    Message.objects.filter(outbound=message).update(reports_on=message, notice=Notice.DELAYED)
    inbox = Message.objects.get(outbound=message)
    assert inbox.notice == Notice.DELAYED
    page = as_alice.get("/mail/sent/").text
    assert "Keep waiting" not in page
    Message.objects.filter(pk=inbox.pk).update(is_seen=False)
    assert "Keep waiting" in as_alice.get("/mail/sent/").text


def test_a_notice_shows_how_it_stands_now(as_alice, alice, now):
    message = failed(alice, now)
    as_alice.post(url("keep-trying", message, message.recipients.get().pk))
    assert "How it stands now" in notice_page(as_alice)
    key = Message.objects.get(notice=Notice.FAILED).uuid
    part = as_alice.get(f"/mail/m/{key}/delivery/")
    assert part.text.strip().startswith("<section")


def test_strangers_and_plain_messages_have_no_such_part(as_charlie, as_alice, alice, now):
    failed(alice, now)
    key = Message.objects.get(notice=Notice.FAILED).uuid
    assert as_charlie.get(f"/mail/m/{key}/delivery/").status_code == 404
    plain = Message.objects.get(notice="").uuid
    assert as_alice.get(f"/mail/m/{plain}/delivery/").status_code == 404


def test_what_is_held_for_a_word_stands_above_the_inbox_until_it_is_given(
    as_alice, as_charlie, alice, now
):
    message = held(alice, now)
    page = as_alice.get(INBOX).text
    for shown in ("Held: Lease", "x.test offers no TLS any more.", "Send all the same", "Wait"):
        assert shown in page
    assert "Held: Lease" not in as_alice.get("/mail/archive/").text
    assert "Held: Lease" not in as_charlie.get(INBOX).text
    as_alice.post(f"{url('send-anyway', message, message.recipients.get().pk)}?next={INBOX}")
    assert "Held: Lease" not in as_alice.get(INBOX).text


def test_a_rewritten_message_keeps_its_text(as_alice, alice, now):
    message = failed(alice, now, body="Dear Bob")
    as_alice.post(url("other-address", message, message.recipients.get().pk))
    assert Draft.objects.get().body.strip() == "Dear Bob"


def test_what_was_foreseen_at_send_goes_along_and_is_told(as_alice, alice, now):
    message = scheduled(alice, now)
    message.recipients.update(promised=Way.VERIFIED)
    assert "If it would travel worse then, it is held and you are told." in (
        as_alice.get(OUTBOX).text
    )
