"""What is old goes, what is needed stays."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AuditEntry
from delivery import pruning
from delivery.models import (
    Attempt,
    DestinationHealth,
    DomainEvidence,
    DomainLookup,
    KnownAddress,
    OutboundMessage,
    ProbeRequest,
    Recipient,
    RecipientAttempt,
    State,
    Suppression,
)
from mailweb.pruning import KINDS
from mailweb.tasks import prune as prune_daily
from tests.delivery.factories import queued

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=1000)


def settled(owner, *, state=State.DELIVERED, ago=LONG_AGO, **changes):
    at = timezone.now() - ago
    message = queued("friend@plain.test", owner=owner, now=at)
    Recipient.objects.filter(message=message).update(
        state=state, settled_at=at, next_attempt_at=None, **changes
    )
    return message


def attempt(owner, message=None, *, ago=LONG_AGO):
    made = Attempt.objects.create(
        owner=owner,
        message=message,
        at=timezone.now() - ago,
        domain="plain.test",
        outcome="delivered",
        transcript="S: 220 hello",
    )
    if message is not None:
        copy = message.recipients.get()
        RecipientAttempt.objects.create(attempt=made, recipient=copy, outcome="delivered")
        message.recipients.update(last_attempt=made)
    return made


def run(*arguments, **options):
    out = StringIO()
    call_command("prune", *arguments, stdout=out, **options)
    return out.getvalue()


def rows(*arguments):
    return {
        name: one["rows"] for name, one in json.loads(run(*arguments, "--json"))["pruned"].items()
    }


def test_what_has_been_settled_for_long_goes_with_its_copies(alice):
    old, new = settled(alice), settled(alice, ago=timedelta(days=3))
    assert rows("messages") == {"messages": 1}
    assert list(OutboundMessage.objects.all()) == [new]
    assert not Recipient.objects.filter(message=old.pk).exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.WAITING, "settled_at": None, "next_attempt_at": timezone.now()},
        {"state": State.HELD, "settled_at": None},
        {"state": State.FAILED, "is_dismissed": False},
        {"state": State.FAILED, "is_dismissed": True, "notice_due": True},
    ],
    ids=["waiting", "held", "failed, not decided", "failed, not told"],
)
def test_what_somebody_still_needs_stays_however_old_it_is(alice, changes):
    message = settled(alice)
    attempt(alice, message)
    Recipient.objects.update(**changes)
    assert rows("messages") == {"messages": 0}
    if changes["state"] != State.FAILED:
        assert rows("attempts") == {"attempts": 0}


def test_old_attempts_go_and_what_they_showed_stays(alice):
    DomainEvidence.objects.create(owner=alice, domain="plain.test", deliveries=7)
    message = settled(alice)
    attempt(alice, message)
    attempt(alice)
    recent = attempt(alice, ago=timedelta(days=5))
    assert rows("attempts") == {"attempts": 2}
    assert list(Attempt.objects.all()) == [recent]
    assert DomainEvidence.objects.get().deliveries == 7
    assert message.recipients.get().last_attempt is None


def test_transcripts_go_before_their_attempts(alice):
    old, recent = attempt(alice, ago=timedelta(days=100)), attempt(alice, ago=timedelta(days=5))
    assert rows("transcripts", "attempts") == {"transcripts": 1, "attempts": 0}
    old.refresh_from_db()
    recent.refresh_from_db()
    assert (old.transcript, recent.transcript) == ("", "S: 220 hello")
    assert rows("transcripts") == {"transcripts": 0}


def test_lookups_checks_and_hosts_that_nobody_needs_go(alice):
    now, old = timezone.now(), timezone.now() - LONG_AGO
    DomainLookup.objects.create(domain="old.test", started_at=old, looked_up_at=old)
    DomainLookup.objects.create(domain="never.test", started_at=old)
    DomainLookup.objects.create(domain="new.test", started_at=now, looked_up_at=now)
    ProbeRequest.objects.create(owner=alice, domain="old.test", requested_at=old)
    DestinationHealth.objects.create(
        host="mx.old.test",
        address="192.0.2.1",
        failures=5,
        pauses=1,
        next_probe_at=old,
        updated_at=old,
    )
    assert rows("lookups", "probes", "hosts") == {"lookups": 2, "probes": 1, "hosts": 1}
    assert [one.domain for one in DomainLookup.objects.all()] == ["new.test"]


def suppressed(owner, name, *, ends, times=1):
    key = f"{name}@x.test"
    ends_at = None if ends is None else timezone.now() + ends
    Suppression.objects.create(owner=owner, address=key, key=key, times=times, ends_at=ends_at)


def test_suppressions_go_once_it_no_longer_matters_how_often_there_was_a_refusal(alice):
    suppressed(alice, "for-good", ends=None)
    suppressed(alice, "in-force", ends=timedelta(days=1))
    suppressed(alice, "remembered", ends=-timedelta(days=399))
    suppressed(alice, "forgotten", ends=-timedelta(days=401), times=4)
    suppressed(alice, "by-hand", ends=-timedelta(days=401), times=0)
    assert rows("suppressions", "--dry-run") == {"suppressions": 2}
    assert rows("suppressions") == {"suppressions": 2}
    left = Suppression.objects.values_list("address", flat=True)
    assert set(left) == {"for-good@x.test", "in-force@x.test", "remembered@x.test"}
    assert rows("suppressions", "--days=1") == {"suppressions": 1}


def test_whom_an_account_wrote_to_is_known_as_long_as_it_goes_on_writing(alice):
    now, old = timezone.now(), timezone.now() - LONG_AGO
    for key, first, last in (
        ("once@x.test", old, None),
        ("often@x.test", old, now - timedelta(days=40)),
        ("before@x.test", old - LONG_AGO, old),
        ("new@x.test", now, None),
    ):
        KnownAddress.objects.create(owner=alice, key=key, first_at=first, last_at=last)
    assert rows("known", "--dry-run") == {"known": 2}
    assert rows("known") == {"known": 2}
    left = KnownAddress.objects.values_list("key", flat=True)
    assert set(left) == {"often@x.test", "new@x.test"}


def test_the_audit_log_is_kept_for_ever_unless_somebody_says_otherwise(alice):
    AuditEntry.objects.all().delete()
    AuditEntry.objects.create(action="account.create", at=timezone.now() - LONG_AGO)
    assert rows("audit") == {"audit": 0}
    assert rows("audit", "--days=900") == {"audit": 1}
    assert not AuditEntry.objects.exists()


def test_a_dry_run_counts_and_removes_nothing(alice):
    settled(alice)
    before = rows("--dry-run")
    assert before.keys() == KINDS.keys()
    assert before["messages"] == 1
    assert OutboundMessage.objects.count() == 1
    assert "1 would go" in run("messages", "--dry-run")


def test_much_goes_in_small_transactions(alice, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(pruning, "BATCH", 3)
    for _ in range(8):
        attempt(alice)
    removed = []
    original = pruning.KINDS[0].remove
    kind = pruning.KINDS[0]
    monkeypatch.setitem(
        KINDS,
        "transcripts",
        pruning.Kind(
            name=kind.name,
            setting=kind.setting,
            older=kind.older,
            remove=lambda rows: (removed.append(rows.count()), original(rows)),
        ),
    )
    assert rows("transcripts") == {"transcripts": 8}
    assert removed == [3, 3, 2]


@pytest.mark.parametrize(
    "arguments", [("everything",), ("--days=3",), ("messages", "--days=0")], ids=" ".join
)
def test_a_slip_at_the_shell_removes_nothing(alice, arguments):
    settled(alice)
    with pytest.raises(CommandError):
        run(*arguments)
    assert OutboundMessage.objects.count() == 1


def test_the_daily_task_does_it_once_a_day(alice):
    settled(alice)
    prune_daily()
    assert not OutboundMessage.objects.exists()
    settled(alice)
    prune_daily()
    assert OutboundMessage.objects.exists(), "it was done today"
