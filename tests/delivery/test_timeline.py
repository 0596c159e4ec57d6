"""Five days of a mailbox that is always busy, on a clock that goes only when it is told to."""

from __future__ import annotations

import email
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from flufl.bounce import all_failures

from delivery import dispatch, maintenance
from delivery.config import DeliveryConfig
from delivery.models import Attempt, OutboundMessage, Recipient, State
from delivery.policy.retry import coming_attempts, wait_after
from tests.delivery.factories import queued
from tests.fakes.clock import FakeClock
from tests.unit.report.cases import parts, unfolded

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAYS = timedelta(days=5)
ADDRESS = "later@plain.test"


@dataclass
class Told:
    """A report, and when it was filed."""

    at: datetime
    kind: str
    data: bytes

    @property
    def words(self) -> str:
        found = parts(email.message_from_bytes(self.data))[0].get_payload(decode=True)
        assert isinstance(found, bytes)
        return " ".join(found.decode().split())

    @property
    def fields(self):
        return parts(parts(email.message_from_bytes(self.data))[1])[1]


@dataclass
class Timeline:
    """What happened to a message until nothing was left to do."""

    message: OutboundMessage
    began_at: datetime
    attempts: list[datetime] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    @property
    def offsets(self) -> list[timedelta]:
        return [at - self.began_at for at in self.attempts]


def stays(alice, clock: FakeClock, **more) -> OutboundMessage:
    return queued(ADDRESS, owner=alice, now=clock.now(), **more)


def next_event(copy: Recipient) -> datetime:
    """Return when the sweep, which comes every few seconds, will next find something to do."""
    times = (copy.next_attempt_at, copy.delay_notice_at)
    return min(at for at in times if at is not None)


def played(message: OutboundMessage, clock: FakeClock) -> Timeline:
    """Let time pass until the copy is settled and its sender told."""
    timeline = Timeline(message=message, began_at=clock.now())
    config = DeliveryConfig.from_settings()
    for _ in range(200):
        if maintenance.sweep(now=clock.now()):
            dispatch.drain(config=config, clock=clock, once=True)
            maintenance.sweep(now=clock.now())
        copy = message.recipients.get()
        if copy.state not in (State.WAITING, State.SCHEDULED):
            break
        clock.time = max(next_event(copy), clock.time)
    timeline.attempts = sorted(Attempt.objects.values_list("at", flat=True))
    timeline.told = [
        Told(one.received_at, one.notice, bytes(one.blob.data))
        for one in message.notices.order_by("received_at")
    ]
    return timeline


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[0.0, 1.0], ids=["no jitter", "most jitter"])
def jitter(request, monkeypatch) -> float:
    monkeypatch.setattr("delivery.drain.random.random", lambda: request.param)
    return float(request.param)


@pytest.fixture
def timeline(alice, clock, jitter, drain) -> Timeline:
    return played(stays(alice, clock), clock)


def test_waits_are_those_of_the_schedule_to_the_end(timeline, jitter):
    *waits, last = [
        later - earlier
        for earlier, later in zip(timeline.attempts, timeline.attempts[1:], strict=False)
    ]
    expected = [wait_after(number) * (1 + jitter / 10) for number in range(1, len(waits) + 1)]
    assert waits == expected
    assert last <= 4 * HOUR * (1 + jitter / 10)
    assert timeline.offsets[-1] == DAYS
    assert 30 <= len(timeline.attempts) <= 37


def test_first_hours_are_fast(alice, clock, monkeypatch, drain):
    monkeypatch.setattr("delivery.drain.random.random", lambda: 0.0)
    found = played(stays(alice, clock), clock)
    minutes = [offset // timedelta(minutes=1) for offset in found.offsets[:10]]
    assert minutes == [0, 1, 6, 21, 51, 111, 231, 411, 651, 891]


def test_sender_is_told_of_the_delay_after_four_hours_and_of_the_end_after_five_days(timeline):
    assert [(one.kind, one.at - timeline.began_at) for one in timeline.told] == [
        ("delayed", 4 * HOUR),
        ("failed", DAYS),
    ]


def test_delay_notice_says_what_then_happens(timeline, jitter):
    late, _ = timeline.told
    made = [at for at in timeline.attempts if at < late.at]
    coming = timeline.attempts[len(made) :]
    # With the most jitter the seventh try comes three minutes after the notice.
    waits = "after waits of 3 hours to 4 hours" if jitter else "about every 4 hours"
    assert (
        f"was tried {len(made)} times in 4 hours. mx.plain.test put off mail for this recipient."
    ) in late.words
    assert (
        f"It is tried again on {coming[0]:%a %-d %b %Y, %H:%M} UTC, then {waits}, for the last"
        f" time on {coming[-1]:%a %-d %b %Y, %H:%M} UTC. If that fails, you will be told."
    ) in late.words
    assert parsedate_to_datetime(late.fields["Will-Retry-Until"]) == coming[-1]
    foreseen = coming_attempts(len(made), next_at=coming[0], expires_at=coming[-1])
    if not jitter:
        assert list(foreseen) == coming


def test_last_report_has_the_last_reply_and_says_that_time_was_over(timeline):
    last = timeline.told[-1]
    assert last.fields["Status"] == "5.4.7 (delivery time expired)"
    assert unfolded(last.fields["Diagnostic-Code"]).startswith("smtp; 450 4.2.1")
    assert parsedate_to_datetime(last.fields["Last-Attempt-Date"]) == timeline.attempts[-1]
    assert f"was tried {len(timeline.attempts)} times in 5 days" in last.words
    assert "It was tried for 5 days, and then given up." in last.words
    assert all_failures(email.message_from_bytes(last.data)) == (set(), {ADDRESS.encode()})


def test_accounts_own_lifetime_holds_and_is_what_reports_say(alice, clock, drain):
    message = stays(alice, clock, lifetime_hours=24)
    found = played(message, clock)
    assert found.offsets[-1] == 24 * HOUR
    late, last = found.told
    assert parsedate_to_datetime(late.fields["Will-Retry-Until"]) == found.began_at + 24 * HOUR
    assert "It was tried for 24 hours, and then given up." in last.words


def test_lifetime_shorter_than_a_delay_leads_to_one_report(alice, clock, drain):
    found = played(stays(alice, clock, lifetime_hours=2), clock)
    assert [one.kind for one in found.told] == ["failed"]


def test_mail_for_later_lives_from_its_release(alice, clock, drain):
    release_at = clock.now() + timedelta(days=20)
    message = stays(alice, clock, release_at=release_at)
    clock.time = release_at
    found = played(message, clock)
    assert found.offsets[0] == timedelta(0)
    assert [(one.kind, one.at - release_at) for one in found.told] == [
        ("delayed", 4 * HOUR),
        ("failed", DAYS),
    ]
    assert "was tried" in found.told[-1].words
    assert "in 5 days" in found.told[-1].words


def test_installation_that_was_down_tries_once_more_or_gives_up(alice, clock, drain):
    message = stays(alice, clock)
    clock.advance(timedelta(days=6))
    found = played(message, clock)
    assert [one.kind for one in found.told] == ["failed"]
    assert message.recipients.get().enhanced == "5.4.7"
