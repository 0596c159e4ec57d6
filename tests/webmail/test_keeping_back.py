"""Compose says what would keep a copy here, and lets the sender overrule only what is theirs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery import audit, holdrules, limits, suppressions
from delivery.holdrules import NewRule
from delivery.models import OutboundMessage, State
from mailweb.lib import addresses
from mailweb.webmail import composing, handing_over, sending
from mailweb.webmail.composing import Written
from mailweb.webmail.models import Draft
from mailweb.webmail.sending import Answers

ACTOR = audit.Actor(name="admin")
REASON = "We look into a complaint."


def a_draft(user, now, *to) -> Draft:
    draft = composing.new_draft(user)
    written = Written(sender="alice@mailweb.test", to=to or ("bob@x.test",), subject="Lease")
    return composing.save_draft(draft, written, now=now)


def typed(draft, **more):
    draft.refresh_from_db()
    return {"version": draft.version, "sender": draft.sender, "to": draft.to, **more}


def suppress(user, now, address="bob@x.test"):
    suppressions.add(owner=user, address=address, note="He has moved.", now=now)


def test_send_stops_at_a_suppressed_address_and_changes_nothing(alice, now):
    suppress(alice, now)
    draft = a_draft(alice, now, "Bob@x.test", "carol@y.test")
    with pytest.raises(sending.SuppressedError) as refusal:
        sending.send(draft, now=now)
    (one,) = refusal.value.suppressed
    assert one.address == "Bob@x.test"
    assert "He has moved." in one.sentence
    assert not OutboundMessage.objects.exists()


def test_send_anyway_lifts_it(alice, now):
    suppress(alice, now)
    draft = a_draft(alice, now)
    message = sending.send(draft, now=now, answers=Answers(lifts=frozenset({"bob@x.test"})))
    assert message.recipients.count() == 1
    assert suppressions.listed(alice.pk, now=now) == []


def test_lifting_an_address_the_draft_does_not_name_does_nothing(alice, now):
    suppress(alice, now, "other@x.test")
    draft = a_draft(alice, now)
    sending.send(draft, now=now, answers=Answers(lifts=frozenset({"other@x.test"})))
    assert len(suppressions.listed(alice.pk, now=now)) == 1


def test_the_page_warns_before_send_and_asks_at_send(as_alice, alice, now):
    suppress(alice, timezone.now())
    draft = a_draft(alice, timezone.now())
    page = as_alice.get(f"/mail/compose/{draft.uuid}/").content.decode()
    assert "You suppressed bob@x.test" in page
    answer = as_alice.post(f"/mail/compose/{draft.uuid}/send/", typed(draft))
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "One recipient is on your list of suppressed addresses" in text
    assert "Take it off the list and send" in text
    answer = as_alice.post(f"/mail/compose/{draft.uuid}/send/", typed(draft, lift="bob@x.test\n"))
    assert answer.status_code == 302
    assert OutboundMessage.objects.get().recipients.get().address == "bob@x.test"


def test_the_list_of_another_account_is_not_shown(as_alice, alice, bob, now):
    suppress(bob, timezone.now())
    draft = a_draft(alice, timezone.now())
    assert "suppressed" not in as_alice.get(f"/mail/compose/{draft.uuid}/").content.decode().lower()


@pytest.mark.parametrize(
    ("to", "words"),
    [
        (("bob@x.test",), "If you send this now, it is held here until the operator lets it go"),
        (("bob@x.test", "carol@y.test"), "The copy for bob@x.test is held here until"),
    ],
)
def test_the_page_says_what_a_rule_would_hold_and_why(as_alice, alice, to, words):
    now = timezone.now()
    new = NewRule(recipient_domain="x.test", reason=REASON)
    holdrules.add(new, actor=ACTOR, now=now)
    page = as_alice.get(f"/mail/compose/{a_draft(alice, now, *to).uuid}/").content.decode()
    assert words in page
    assert REASON in page


def test_a_held_message_can_be_undone_in_its_window_and_not_let_go(as_alice, alice, now):
    rule = NewRule(account=alice, reason=REASON)
    holdrules.add(rule, actor=ACTOR, now=timezone.now())
    message = sending.send(a_draft(alice, timezone.now()), now=timezone.now())
    assert message.recipients.get().state == State.HELD
    page = as_alice.get("/mail/outbox/").content.decode()
    assert REASON in page
    assert "seconds to undo" in page
    as_alice.post(f"/mail/outbox/{message.uuid}/send-now/")
    assert message.recipients.get().state == State.HELD


def test_the_limit_is_told_in_compose_and_nothing_is_lost(as_alice, alice):
    now = timezone.now()
    limits.set_limits(owner=alice, recipients=1, new_recipients=None, actor=ACTOR, now=now)
    sending.send(a_draft(alice, now), now=now)
    draft = a_draft(alice, now)
    answer = as_alice.post(f"/mail/compose/{draft.uuid}/send/", typed(draft))
    assert answer.status_code == 422
    assert "You may write to 1 recipients in 24 hours" in answer.content.decode()
    assert Draft.objects.filter(pk=draft.pk, outbound=None).exists()


def test_correspondents_are_no_first_time_recipients_whichever_entrance(alice, now):
    limits.set_limits(owner=alice, recipients=None, new_recipients=1, actor=ACTOR, now=now)
    sending.send(a_draft(alice, now), now=now)
    later = now + timedelta(hours=1)
    sending.send(a_draft(alice, later), now=later)

    def by_command(address):
        return handing_over.hand_over(
            sender="alice@mailweb.test",
            addresses=[address],
            data=b"Subject: x\n\nHello.\n",
            mode=None,
            release_at=None,
            now=later,
        )

    by_command("bob@x.test")
    with pytest.raises(limits.LimitReachedError):
        by_command(addresses.parse("new@x.test").spec)
