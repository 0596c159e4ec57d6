"""Routes through the queue: which way copies really leave, and what is kept of it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery import transports
from delivery.models import Attempt, DomainEvidence, DomainLookup, Recipient, State
from delivery.policy.modes import Mode
from tests.delivery.factories import claimed, queued
from tests.delivery.routing import OPERATOR, new_transport, relay_to, route_to
from tests.fakes.smtp_server import SmtpServer
from tests.threads import serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def relay():
    with serving(SmtpServer()) as server:
        yield server


def due_again(copy):
    Recipient.objects.filter(pk=copy.pk).update(next_attempt_at=timezone.now())
    copy.refresh_from_db()


def test_from_the_fourth_attempt_through_the_smarthost(alice, drain, relay):
    relay_to(relay)
    route_to("smarthost", recipient_domains=("servfail.test",), minimum_attempts=3)
    copy = queued("friend@servfail.test", owner=alice, now=timezone.now()).recipients.get()
    for attempt in (1, 2, 3):
        drain()
        due_again(copy)
        assert (copy.state, copy.attempts_made) == (State.WAITING, attempt)
        assert not relay.contents
    drain()
    copy.refresh_from_db()
    assert (copy.state, copy.attempts_made) == (State.DELIVERED, 4)
    assert len(relay.contents) == 1
    ways = Attempt.objects.order_by("at", "id").values_list("transport", "transport_kind")
    assert list(ways) == [("", "")] * 3 + [("smarthost", "relay")]


def test_one_message_to_three_domains_is_one_transaction_at_the_relay(alice, drain, relay):
    relay_to(relay)
    route_to("smarthost")
    addresses = ("a@plain.test", "b@dane.test", "c@nowhere.mailweb-peers.test")
    message = queued(*addresses, owner=alice, now=timezone.now())
    assert drain().delivered == 3
    assert len(relay.conversations) == len(relay.contents) == 1
    attempt = Attempt.objects.get()
    assert (attempt.domain, attempt.transport, attempt.is_first_hop) == ("", "smarthost", True)
    assert set(message.recipients.values_list("last_attempt", flat=True)) == {attempt.pk}


def test_a_session_with_a_relay_says_nothing_about_the_recipients_domain(alice, drain, relay):
    relay_to(relay)
    route_to("smarthost", recipient_domains=("dane.test",))
    queued("friend@dane.test", owner=alice, now=timezone.now())
    drain()
    assert Attempt.objects.get().domain == "dane.test"
    assert not DomainEvidence.objects.exists()
    assert not DomainLookup.objects.exists()


def test_other_mail_still_goes_direct(alice, lab, drain, relay):
    relay_to(relay)
    route_to("smarthost", recipient_domains=(".dane.test",))
    queued("friend@plain.test", owner=alice, now=timezone.now())
    assert drain().delivered == 1
    assert not relay.conversations
    assert DomainEvidence.objects.get().domain == "plain.test"


def test_a_transport_given_to_the_copy_outranks_routes(alice, drain, relay):
    relay_to(relay)
    route_to("smarthost")
    message = queued("friend@plain.test", owner=alice, now=timezone.now())
    message.recipients.update(transport="direct")
    assert drain().delivered == 1
    assert not relay.conversations


@pytest.mark.parametrize("change", ["gone", "off", "paused"])
def test_what_can_not_be_used_makes_mail_wait_and_counts_as_no_attempt(alice, drain, relay, change):
    row = relay_to(relay)
    message = queued("friend@plain.test", owner=alice, now=timezone.now())
    message.recipients.update(transport="smarthost")
    if change == "gone":
        transports.remove(row, actor=OPERATOR, now=timezone.now())
    elif change == "off":
        transports.change(row, {"is_enabled": False}, actor=OPERATOR, now=timezone.now())
    else:
        transports.pause(row, because="The bill.", actor=OPERATOR, now=timezone.now())
    drain()
    copy = message.recipients.get()
    assert (copy.state, copy.attempts_made) == (State.WAITING, 0)
    assert copy.explanation.startswith("The transport “smarthost” ")
    assert copy.next_attempt_at > timezone.now()
    assert not Attempt.objects.exists()


def test_resuming_a_transport_sends_what_waits_for_it_at_once(alice, drain, relay):
    row = relay_to(relay)
    route_to("smarthost")
    transports.pause(row, because="The bill.", actor=OPERATOR, now=timezone.now())
    message = queued("friend@plain.test", owner=alice, now=timezone.now())
    drain()
    explanation = message.recipients.get().explanation
    assert explanation.startswith("The transport “smarthost” is paused.")
    assert "The bill." not in explanation  # It may name what is not the sender's business.
    assert transports.waiting_for("smarthost") == 1
    assert transports.resume(row, actor=OPERATOR, now=timezone.now()) == 1
    assert drain().delivered == 1
    assert len(relay.contents) == 1


def test_a_failing_transport_fails_at_once_and_its_sender_is_told(alice, drain):
    new_transport(name="stop", kind="fail", code=550, enhanced="5.7.1", text="Not from here.")
    route_to("stop", recipient_domains=("plain.test",))
    message = queued("friend@plain.test", owner=alice, now=timezone.now())
    assert drain().failed == 1
    copy = message.recipients.get()
    assert (copy.state, copy.last_reply) == (State.FAILED, "550 5.7.1 Not from here.")
    assert Attempt.objects.get().transport == "stop"


def test_verified_mail_waits_and_says_why(alice, drain, relay):
    relay_to(relay)
    route_to("smarthost")
    message = queued("friend@dane.test", owner=alice, now=timezone.now(), mode=Mode.VERIFIED)
    drain()
    copy = message.recipients.get()
    assert copy.state == State.WAITING
    assert "through the relay" in copy.explanation
    assert not relay.conversations


def test_eight_hundred_would_not_wait_for_each_other(alice, drain, relay):
    relay_to(relay)
    route_to("smarthost")
    for number in range(12):
        queued(f"friend{number}@nxdomain.test", owner=alice, now=timezone.now())
    assert drain().delivered == 12
    assert len(relay.contents) == 12


def test_claims_ask_for_routes_only_where_there_are_any(alice, now, relay):
    queued("friend@plain.test", owner=alice, now=now)
    with CaptureQueriesContext(connection) as without:
        claimed(now)
    assert not [one for one in without if 'FROM "delivery_transport"' in one["sql"]]
    Recipient.objects.update(state=State.QUEUED, lease=None, lease_until=None, attempts_made=0)
    relay_to(relay)
    route_to("smarthost")
    with CaptureQueriesContext(connection) as queries:
        claim = claimed(now)
    assert len(queries) == len(without) + 2
    assert [way.name for way in claim.ways.values()] == ["smarthost"]


def test_results_are_for_their_recipients(alice, drain):
    with serving(SmtpServer({"RCPT TO:<b@dane.test>": "550 5.1.1 nobody"})) as relay:
        relay_to(relay)
        route_to("smarthost")
        message = queued("a@plain.test", "b@dane.test", owner=alice, now=timezone.now())
        drain()
    states = dict(message.recipients.values_list("address", "state"))
    assert states == {"a@plain.test": State.DELIVERED, "b@dane.test": State.FAILED}
