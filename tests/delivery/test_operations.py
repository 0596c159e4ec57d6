"""What operators do to many copies at once."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from delivery import audit, operations
from delivery.models import Content, OutboundMessage, Recipient, State
from delivery.orders import VERBS, BadOrderError, Order
from delivery.picking import Filters, NoFilterError, chosen
from delivery.policy.modes import Mode
from tests.delivery.factories import ACCEPTED, LATER, claimed, queued, settled

pytestmark = pytest.mark.django_db


def told(*arguments):
    out = StringIO()
    call_command("queue", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


OPERATOR = audit.Actor(name="shell: root")
EVERYTHING = Filters(everything=True)


def done(verb, filters, now, **said):
    order = Order(verb=VERBS[verb], **said)
    return operations.carry_out(order, chosen(filters, now=now), by=OPERATOR, now=now)


def entries():
    return AuditEntry.objects.filter(action__startswith="queue ")


def test_no_filter_is_refused_without_saying_all(alice, now):
    queued(owner=alice, now=now)
    with pytest.raises(NoFilterError):
        chosen(Filters(limit=1), now=now)
    assert done("drop", EVERYTHING, now).ids


def test_filters_are_anded(alice, bob, now):
    queued("a@x.test", owner=alice, now=now)
    queued("a@x.test", owner=bob, now=now)
    queued("a@y.test", owner=alice, now=now)
    touched = done("hold", Filters(account="Alice@mailweb.test", to_domain="X.test"), now).ids
    assert len(touched) == 1
    assert Recipient.objects.get(state=State.HELD).message.owner == alice


@pytest.mark.parametrize(
    "narrowed",
    [
        Filters(older_than=timedelta(hours=2)),
        Filters(attempts_ge=1),
        Filters(from_domain="other.test"),
        Filters(from_domain="web.test"),
        Filters(to="riend@x.test"),
        Filters(mode=Mode.REQUIRETLS),
        Filters(transport="smarthost"),
        Filters(state=State.WAITING),
        Filters(ids=(0,)),
    ],
)
def test_each_filter_narrows(alice, now, narrowed):
    queued(owner=alice, now=now)
    assert done("drop", narrowed, now).ids == []


@pytest.mark.parametrize(
    "fitting",
    [
        Filters(older_than=timedelta(minutes=5)),
        Filters(from_domain="@mailweb.test"),
        Filters(to="Friend@x.test"),
        Filters(to_domain="@x.test"),
        Filters(mode=Mode.DEFAULT),
        Filters(transport="direct"),
        Filters(state=State.QUEUED),
    ],
)
def test_each_filter_finds(alice, now, fitting):
    queued(owner=alice, now=now)
    assert len(done("drop", fitting, now + timedelta(hours=1)).ids) == 1


def test_a_limit_takes_the_longest_due_first(alice, now):
    queued("late@x.test", owner=alice, now=now)
    queued("early@x.test", owner=alice, now=now - timedelta(hours=1))
    done("hold", Filters(to_domain="x.test", limit=1), now)
    assert Recipient.objects.get(state=State.HELD).address == "early@x.test"


@pytest.mark.parametrize("verb", ["hold", "kick", "drop", "fail"])
def test_what_is_being_sent_is_left_alone_and_counted(alice, now, verb):
    queued(owner=alice, now=now)
    claimed(now)
    queued("later@x.test", owner=alice, now=now)
    found = done(verb, EVERYTHING, now)
    assert len(found.ids) == 1
    assert found.left_alone == ("1 copy is being sent right now",)
    assert Recipient.objects.get(address="friend@x.test").state == State.SENDING


@pytest.mark.parametrize("verb", [name for name in VERBS if name != "release"])
def test_settled_copies_are_history(alice, now, verb):
    queued(owner=alice, now=now)
    settled(claimed(now), ACCEPTED, now)
    at = now + timedelta(hours=1) if verb == "schedule" else None
    said = {"mode": Mode.OPTIONAL, "transport": "", "at": at}
    assert done(verb, EVERYTHING, now, **said).ids == []
    assert Recipient.objects.get().state == State.DELIVERED
    assert not entries().exists()


def test_a_preview_counts_by_state_and_domain_and_changes_nothing(alice, now):
    queued("a@x.test", "b@x.test", "c@y.test", owner=alice, now=now)
    settled(claimed(now, limit=1), LATER, now)
    queued("d@x.test", owner=alice, now=now)
    order = Order(verb=VERBS["drop"])
    found = operations.preview(order, chosen(EVERYTHING, now=now), now=now)
    assert found.count == Recipient.objects.count() == 4
    assert dict(found.by_domain) == {"x.test": 3, "y.test": 1}
    assert sum(depth for _, depth in found.by_state) == 4
    assert dict(found.by_state)["waiting"] >= 1
    assert not Recipient.objects.filter(state=State.CANCELLED).exists()


def test_every_change_leaves_an_entry(alice, now):
    queued("a@x.test", "b@x.test", owner=alice, now=now)
    touched = done("hold", Filters(to_domain="x.test"), now, reason="Abuse report").ids
    entry = entries().get()
    assert (entry.by, entry.action, entry.target) == (
        "shell: root",
        "queue hold",
        "to-domain x.test",
    )
    assert (entry.touched, entry.reason, entry.at) == (2, "Abuse report", now)
    assert entry.detail == {"filters": {"to_domain": "x.test"}, "ids": touched}


def test_an_entry_names_a_bounded_number_of_ids(alice, now, monkeypatch):
    monkeypatch.setattr(audit, "IDS_KEPT", 3)
    monkeypatch.setattr(operations, "AT_A_TIME", 2)
    queued(*[f"a{number}@x.test" for number in range(5)], owner=alice, now=now)
    assert len(done("hold", EVERYTHING, now).ids) == 5
    entry = entries().get()
    assert (entry.touched, len(entry.detail["ids"])) == (5, 3)
    assert Recipient.objects.filter(state=State.HELD).count() == 5


def test_a_change_that_breaks_leaves_neither_a_change_nor_an_entry(alice, now, monkeypatch):
    queued(owner=alice, now=now)
    monkeypatch.setattr("delivery.operations.audit.write", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        done("hold", EVERYTHING, now)
    assert Recipient.objects.get().state == State.QUEUED


def test_mail_for_later_that_was_held_does_not_leave_early(alice, now):
    tomorrow = now + timedelta(days=1)
    queued(owner=alice, now=now, release_at=tomorrow)
    done("hold", EVERYTHING, now)
    done("release", EVERYTHING, now)
    copy = Recipient.objects.get()
    assert (copy.state, copy.next_attempt_at) == (State.SCHEDULED, tomorrow)


def test_the_lifetime_of_what_was_held_starts_when_it_is_released(alice, now):
    message = queued(owner=alice, now=now)
    done("hold", EVERYTHING, now)
    assert Recipient.objects.get().held_at == now
    done("release", EVERYTHING, now + timedelta(days=9))
    message.refresh_from_db()
    assert message.expires_at == now + timedelta(days=14)


def test_what_is_released_is_judged_again(alice, now):
    queued(owner=alice, now=now)
    done("hold", EVERYTHING, now)
    Recipient.objects.update(asks_sender=True)
    done("release", EVERYTHING, now)
    copy = Recipient.objects.get()
    assert (copy.if_worse, copy.asks_sender) == ("hold", False)


def test_the_reason_of_the_operator_is_what_the_sender_reads(alice, now):
    queued(owner=alice, now=now)
    done("fail", EVERYTHING, now, reason="It was sent by mistake.")
    copy = Recipient.objects.get()
    said = "The operator of this server stopped this copy: It was sent by mistake."
    assert (copy.explanation, copy.last_reply) == (said, f"554 5.7.0 {said}")


def test_dropping_forgets_the_content_and_failing_keeps_it(alice, now):
    queued("a@x.test", owner=alice, now=now)
    queued("b@y.test", owner=alice, now=now)
    done("drop", Filters(to_domain="x.test"), now)
    done("fail", Filters(to_domain="y.test"), now)
    kept = OutboundMessage.objects.get(pk=Content.objects.get().pk)
    assert kept.recipients.get().domain == "y.test"


def test_a_change_can_be_tried_at_once_but_what_is_held_stays_held(alice, now):
    queued("a@x.test", "b@x.test", owner=alice, now=now)
    settled(claimed(now), LATER, now)
    done("hold", Filters(to="b@x.test"), now)
    done("transport", EVERYTHING, now, transport="direct", is_now=True)
    assert dict(Recipient.objects.values_list("address", "state")) == {
        "a@x.test": State.QUEUED,
        "b@x.test": State.HELD,
    }
    assert Recipient.objects.get(address="a@x.test").next_attempt_at == now
    assert entries().get(action="queue transport").detail["tried"] == "now"


def test_another_time_makes_a_due_copy_wait(alice, now):
    queued(owner=alice, now=now)
    at = now + timedelta(hours=3)
    done("schedule", EVERYTHING, now, at=at)
    copy = Recipient.objects.get()
    assert (copy.state, copy.next_attempt_at) == (State.SCHEDULED, at)
    assert claimed(now + timedelta(hours=2)).copies == ()
    assert len(claimed(at).copies) == 1


def test_a_time_after_the_message_is_given_up_is_no_time(alice, now):
    queued(owner=alice, now=now)
    settled(claimed(now), LATER, now)
    found = done("schedule", EVERYTHING, now, at=now + timedelta(days=6))
    assert found.ids == []
    assert found.left_alone == ("1 copy is given up before that time",)


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("schedule", {}),
        ("schedule", {"at": timedelta(days=61)}),
        ("mode", {}),
        ("transport", {}),
        ("transport", {"transport": "nowhere"}),
        ("hold", {"reason": "x" * 301}),
        ("hold", {"is_now": True}),
    ],
)
def test_what_can_not_be_meant_is_refused(alice, now, verb, said):
    queued(owner=alice, now=now)
    if "at" in said:
        said = {"at": now + said["at"]}
    with pytest.raises(BadOrderError):
        done(verb, EVERYTHING, now, **said)


def test_held_copies_do_not_leave_until_released(alice, now):
    queued(owner=alice, now=now)
    told("hold", "--to-domain", "x.test", "--reason", "Checking the address")
    assert claimed(now + timedelta(days=1)).copies == ()
    assert Recipient.objects.get().hold_reason == "Checking the address"
    assert told("release", "--to-domain", "x.test")["count"] == 1
    assert Recipient.objects.get().state == State.QUEUED


def test_failing_a_copy_tells_its_sender_and_dropping_does_not(alice, now):
    queued("a@x.test", owner=alice, now=now)
    queued("b@y.test", owner=alice, now=now)
    told("fail", "--to-domain", "x.test")
    told("drop", "--to-domain", "y.test")
    assert Recipient.objects.get(domain="x.test").notice_due
    assert not Recipient.objects.get(domain="y.test").notice_due


def test_kick_makes_waiting_copies_due_now(alice, now):
    queued(owner=alice, now=now)
    settled(claimed(now), LATER, now)
    assert told("kick", "--all")["count"] == 1
    assert Recipient.objects.get().state == State.QUEUED


def test_a_dry_run_touches_nothing(alice, now):
    queued(owner=alice, now=now)
    assert told("drop", "--all", "--dry-run")["count"] == 1
    assert Recipient.objects.get().state == State.QUEUED


def test_the_mode_can_be_changed_in_the_queue(alice, now):
    queued(owner=alice, now=now)
    told("mode", "optional", "--all")
    assert Recipient.objects.get().mode == "optional"


def test_show_knows_settled_copies_too(alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), ACCEPTED, now)
    shown = told("show", str(message.recipients.get().pk))
    assert (shown["state"], shown["history"], shown["last_reply"]) == (
        "delivered",
        [],
        "250 2.0.0 ok",
    )
    assert told("list") == []


def test_showing_what_is_not_there_fails():
    with pytest.raises(CommandError, match="no copy 7"):
        call_command("queue", "show", "7")
