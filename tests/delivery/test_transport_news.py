"""What deliveries show about a relay: a refused log-in pauses it, its last session is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery import claims, ledger, transports
from delivery.models import DomainEvidence, Recipient, State, Transport
from delivery.policy.facts import Proof
from delivery.policy.outcome import Outcome, Result, Scope
from tests.delivery.factories import ACCEPTED, claimed, held, queued, report
from tests.delivery.routing import OPERATOR, new_transport, route_to

pytestmark = pytest.mark.django_db

SECRET = "hunter2"
REFUSED = Outcome(
    result=Result.DEFERRED,
    scope=Scope.TRANSPORT,
    code=454,
    enhanced="4.7.8",
    public="The transport “smarthost” can't log in at its server.",
)


@pytest.fixture
def relay():
    row = new_transport(
        name="smarthost",
        kind="submission",
        hosts=["smtp.example.org"],
        username="us",
        secret=SECRET,
    )
    route_to("smarthost")
    return row


def recorded(now, outcome, *, locked_out=""):
    """Claim what is due, and write down that the relay answered so."""
    claim = claimed(now)
    (job,) = claims.jobs_from(claim, claim.copies)
    assert job.transport is not None
    told = report(job, now, outcome=outcome, host="smtp.example.org")
    attempts = tuple(
        replace(one, locked_out=locked_out, mechanism="SCRAM-SHA-256") for one in told.attempts
    )
    told = replace(told, attempts=attempts)
    ledger.record(copies=held(claim), reports=[told], now=now, jitter=0.0)
    return claim


def test_a_refused_log_in_pauses_the_transport_and_bounces_nothing(alice, now, relay, caplog):
    message = queued("friend@x.test", owner=alice, now=now)
    recorded(now, REFUSED, locked_out="smtp.example.org refused the log-in: 535 5.7.8 no")
    row = Transport.objects.get()
    assert row.paused_at == now
    assert "535 5.7.8 no" in row.paused_because
    assert "transport paused" in caplog.text
    assert SECRET not in caplog.text
    copy = message.recipients.get()
    assert (copy.state, copy.last_attempt.mechanism) == (State.WAITING, "SCRAM-SHA-256")
    Recipient.objects.update(next_attempt_at=now)
    claim = claimed(now)
    (way,) = claim.ways.values()
    assert way.barred is not None


def test_mail_leaves_at_once_when_the_password_was_set_right(alice, now, relay):
    message = queued("friend@x.test", owner=alice, now=now)
    recorded(now, REFUSED, locked_out="535 5.7.8 no")
    assert message.recipients.get().next_attempt_at > now
    row = Transport.objects.get()
    transports.change(row, {}, secret="right", actor=OPERATOR, now=now)
    assert Transport.objects.get().paused_at is None
    assert message.recipients.get().next_attempt_at == now


def test_the_last_session_is_kept_with_the_relay_and_not_with_the_domain(alice, now, relay):
    queued("friend@x.test", owner=alice, now=now)
    recorded(now, ACCEPTED)
    kept = Transport.objects.get().last_session
    assert (kept["host"], kept["starttls"]) == ("smtp.example.org", "offered")
    assert not DomainEvidence.objects.exists()


def test_the_page_of_a_domain_keeps_relays_apart(as_alice, alice, now):
    new_transport(name="smarthost", kind="relay", tls="may", hosts=["smtp.example.org"])
    route_to("smarthost")
    queued("friend@x.test", owner=alice, now=now)
    claim = claimed(now)
    (job,) = claims.jobs_from(claim, claim.copies)
    told = report(job, now, host="smtp.example.org", proofs=frozenset({Proof.DANE_EE}))
    ledger.record(copies=held(claim), reports=[told], now=now, jitter=0.0)
    page = as_alice.get("/security/x.test/").text
    assert "to a relay; what happened after it is not known here" in page
    assert "not named by DNS now" not in page
    overview = as_alice.get("/security/").text
    assert "smtp.example.org" not in overview
