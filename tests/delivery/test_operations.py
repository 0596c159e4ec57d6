"""What operators do to many copies at once."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from delivery import operations
from delivery.models import Recipient, State
from delivery.operations import Filters
from delivery.policy.modes import Mode
from tests.delivery.factories import ACCEPTED, LATER, claimed, queued, settled

pytestmark = pytest.mark.django_db


def told(*arguments):
    out = StringIO()
    call_command("queue", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_no_filter_is_refused_without_saying_all(alice, now):
    queued(owner=alice, now=now)
    with pytest.raises(operations.NoFilterError):
        operations.act("drop", Filters(limit=1), now=now)
    assert operations.act("drop", Filters(everything=True), now=now)


def test_filters_are_anded(alice, bob, now):
    queued("a@x.test", owner=alice, now=now)
    queued("a@x.test", owner=bob, now=now)
    queued("a@y.test", owner=alice, now=now)
    picked = operations.act(
        "hold", Filters(account="alice@mailweb.test", to_domain="x.test"), now=now
    )
    assert len(picked) == 1
    assert Recipient.objects.get(state=State.HELD).message.owner == alice


@pytest.mark.parametrize(
    "narrowed",
    [
        Filters(older_than=timedelta(hours=2)),
        Filters(attempts_ge=1),
        Filters(from_domain="other.test"),
        Filters(mode=Mode.REQUIRETLS),
        Filters(transport="smarthost"),
        Filters(state=State.WAITING),
        Filters(ids=(0,)),
    ],
)
def test_each_filter_narrows(alice, now, narrowed):
    queued(owner=alice, now=now)
    assert operations.preview("drop", narrowed, now=now) == []


def test_what_is_being_sent_is_left_alone(alice, now):
    queued(owner=alice, now=now)
    claimed(now)
    assert operations.act("drop", Filters(everything=True), now=now) == []


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


def test_the_list_has_the_promised_keys(alice, now):
    queued(owner=alice, now=now)
    (row,) = told("list")
    assert set(row) == {
        "id", "message", "account", "from", "to", "domain", "state", "mode", "attempts",
        "next_attempt_at", "last_reply", "transport", "size", "queued_at",
    }  # fmt: skip
    assert (row["account"], row["to"]) == ("alice@mailweb.test", "friend@x.test")


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


def test_stats_count_by_state_domain_and_reason(alice, now):
    queued("a@x.test", "b@x.test", "c@y.test", owner=alice, now=now)
    stats = told("stats")
    assert (stats["total"], stats["by_domain"]) == (3, {"x.test": 2, "y.test": 1})
    assert stats["by_state"]["queued"]["depth"] == 3


def test_people_get_a_table(alice, now):
    queued(owner=alice, now=now)
    out = StringIO()
    call_command("queue", "list", stdout=out)
    assert "friend@x.test" in out.getvalue()
