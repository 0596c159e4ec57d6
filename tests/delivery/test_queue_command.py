"""`manage.py queue`: each verb, its filters, what it prints, and how it exits."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AuditEntry
from delivery import services
from delivery.management.commands.queue import Command
from delivery.models import Recipient, State, Transport
from delivery.policy.modes import Mode, SenderPolicy
from mailweb.lib.console import shell_name
from tests.delivery.factories import LATER, claimed, queued, settled

pytestmark = pytest.mark.django_db


def told(*arguments):
    out = StringIO()
    call_command("queue", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def said(*arguments):
    out = StringIO()
    call_command("queue", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("verb", "state", "after"),
    [
        (("hold",), State.WAITING, State.HELD),
        (("release",), State.HELD, State.QUEUED),
        (("kick",), State.WAITING, State.QUEUED),
        (("fail",), State.WAITING, State.FAILED),
        (("drop",), State.WAITING, State.CANCELLED),
        (("schedule", "+2h"), State.WAITING, State.WAITING),
        (("mode", "verified"), State.WAITING, State.WAITING),
        (("transport", "routes"), State.WAITING, State.WAITING),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value),
)
def test_each_verb_does_what_it_says_and_is_written_down(alice, verb, state, after):
    now = timezone.now()
    queued("a@x.test", "b@y.test", owner=alice, now=now)
    Recipient.objects.update(state=state, next_attempt_at=now)
    picked = (*verb, "--to-domain", "x.test", "--reason", "Ticket 7")
    would = told(*picked, "--dry-run")
    assert (would["dry_run"], would["count"], would["by_domain"]) == (True, 1, {"x.test": 1})
    assert set(Recipient.objects.values_list("state", flat=True)) == {state}
    touched = told(*picked)
    copy = Recipient.objects.get(domain="x.test")
    assert (touched["action"], touched["dry_run"], touched["ids"]) == (verb[0], False, [copy.pk])
    assert copy.state == after
    assert Recipient.objects.get(domain="y.test").state == state
    entry = AuditEntry.objects.get(action=f"queue {verb[0]}")
    assert (entry.by, entry.reason) == (f"shell: {shell_name()}", "Ticket 7")
    assert entry.detail["filters"] == {"to_domain": "x.test"}


@pytest.mark.parametrize(
    "verb",
    ["hold", "release", "kick", "fail", "drop", "schedule +1h", "mode default", "transport routes"],
)
def test_no_verb_touches_the_whole_queue_by_a_slip(alice, now, verb):
    queued(owner=alice, now=now)
    with pytest.raises(CommandError, match="--all") as refusal:
        told(*verb.split())
    assert refusal.value.returncode == 1


def test_all_filters_can_be_given_together(alice, now):
    message = queued("a@x.test", "b@x.test", owner=alice, now=timezone.now() - timedelta(hours=5))
    Recipient.objects.update(attempts_made=3, mode=Mode.VERIFIED, transport="smarthost")
    wanted = message.recipients.get(address="b@x.test")
    filters = (
        f"--id {wanted.pk} --account alice@mailweb.test --from-domain mailweb.test --to b@x.test"
        " --to-domain x.test --state queued --mode verified --transport smarthost"
        " --older-than 4h --attempts-ge 3 --limit 5"
    ).split()
    assert [row["id"] for row in told("list", *filters)] == [wanted.pk]
    assert told("hold", *filters)["ids"] == [wanted.pk]
    assert AuditEntry.objects.get(action="queue hold").detail["filters"] == {
        "ids": [wanted.pk],
        "account": "alice@mailweb.test",
        "from_domain": "mailweb.test",
        "to": "b@x.test",
        "to_domain": "x.test",
        "state": "queued",
        "mode": "verified",
        "transport": "smarthost",
        "older_than": "14400 s",
        "attempts_ge": 3,
    }


def test_people_are_told_how_many_where_and_what_was_left_alone(alice, now):
    queued("a@x.test", owner=alice, now=now)
    claimed(now)
    queued("b@y.test", owner=alice, now=now)
    would = said("drop", "--all", "--dry-run")
    assert "drop: 1 copy would be touched." in would
    assert "queued  1" in would
    assert "y.test  1" in would
    assert "Left alone: 1 copy is being sent right now." in would
    assert "drop: 1 copy touched." in said("drop", "--all")


def test_a_transport_that_is_not_there_is_refused(alice, now):
    queued(owner=alice, now=now)
    for dry in ((), ("--dry-run",)):
        with pytest.raises(CommandError, match="There is no transport “nowhere”") as refusal:
            told("transport", "nowhere", "--all", *dry)
        assert refusal.value.returncode == 1
    assert Recipient.objects.get().transport == ""


@pytest.mark.parametrize(
    ("word", "kept"), [("smarthost", "smarthost"), ("direct", "direct"), ("routes", "")]
)
def test_a_transport_is_given_and_taken_away_again(alice, now, word, kept):
    Transport.objects.create(name="smarthost", kind="relay", hosts=["relay.test"])
    queued(owner=alice, now=now)
    Recipient.objects.update(transport="other")
    assert told("transport", word, "--transport", "other")["count"] == 1
    assert Recipient.objects.get().transport == kept
    assert AuditEntry.objects.get(action="queue transport").detail["transport"] == kept


@pytest.mark.parametrize(
    "arguments",
    [
        ["hold", "--older-than", "soon"],
        ["hold", "--attempts-ge", "many"],
        ["hold", "--limit", "-1"],
        ["schedule", "tomorrow", "--all"],
        ["mode", "hidden", "--all"],
        ["explode"],
    ],
    ids=" ".join,
)
def test_what_can_not_be_read_is_a_matter_of_usage(arguments, capsys):
    command = Command()
    command._called_from_command_line = True
    with pytest.raises(SystemExit) as ended:
        command.create_parser("manage.py", "queue").parse_args(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_time_is_given_as_a_moment_or_from_now(alice, now):
    queued(owner=alice, now=timezone.now())
    for words, expected in [
        ("+90m", timezone.now() + timedelta(minutes=90)),
        ("now", timezone.now()),
    ]:
        told("schedule", words, "--all")
        at = Recipient.objects.get().next_attempt_at
        assert abs(at - expected) < timedelta(minutes=1)
    at = (timezone.now() + timedelta(days=2)).replace(microsecond=0)
    told("schedule", at.isoformat(), "--all")
    assert Recipient.objects.get().next_attempt_at == at


def test_a_change_of_mode_holds_from_the_next_attempt_on(alice, lab, drain):
    submit(alice, "a@sts-mismatch.test")
    drain()
    copy = Recipient.objects.get()
    assert (copy.state, copy.mode) == (State.WAITING, Mode.DEFAULT)
    told("mode", "optional", "--to-domain", "sts-mismatch.test")
    told("kick", "--to-domain", "sts-mismatch.test")
    drain()
    copy.refresh_from_db()
    assert (copy.state, copy.mode) == (State.DELIVERED, Mode.OPTIONAL)
    (taken,) = (one for one in lab.accepted.all() if one.recipients == ("a@sts-mismatch.test",))
    assert b"TLS-Required: No\r\n" in taken.content


def submit(owner, address):
    services.submit(
        owner=owner,
        mail_from="alice@mailweb.test",
        recipients=[services.NewRecipient(address=address)],
        content=b"From: alice@mailweb.test\r\nSubject: Hello\r\n\r\nHello.\r\n",
        sender_policy=SenderPolicy(),
        now=timezone.now(),
    )


def test_the_list_has_the_promised_keys(alice, now):
    queued(owner=alice, now=now)
    (row,) = told("list")
    assert set(row) == {
        "id", "message", "account", "from", "to", "domain", "state", "mode", "attempts",
        "next_attempt_at", "last_reply", "transport", "size", "queued_at",
    }  # fmt: skip
    assert (row["account"], row["to"]) == ("alice@mailweb.test", "friend@x.test")
    assert datetime.fromisoformat(row["queued_at"]) == now


def test_settled_copies_are_listed_when_they_are_asked_for(alice, now):
    queued(owner=alice, now=now)
    told("drop", "--all")
    assert told("list") == []
    assert [row["state"] for row in told("list", "--state", "cancelled")] == ["cancelled"]


def test_stats_count_by_state_domain_and_reason(alice, now):
    queued("a@x.test", "b@x.test", "c@y.test", owner=alice, now=now)
    stats = told("stats")
    assert (stats["total"], stats["by_domain"]) == (3, {"x.test": 2, "y.test": 1})
    assert stats["by_state"]["queued"]["depth"] == 3
    assert stats["by_reason"] == {}
    settled(claimed(now), LATER, now)
    assert told("stats")["by_reason"] == {"4.7.1": 3}
    assert "The server turns this mail away for now (4.7.1)  3" in said("stats")


def test_people_get_a_table(alice, now):
    queued(owner=alice, now=now)
    settled(claimed(now), LATER, now)
    table = said("list")
    assert "friend@x.test" in table
    assert "451 4.7.1 later" in table
