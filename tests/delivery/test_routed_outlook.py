"""What compose foresees of mail that goes through a relay, and what then becomes of it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from delivery import selectors, transports
from delivery.models import State
from delivery.policy.modes import BrokenTls, Mode, Order, SenderPolicy
from delivery.policy.outcome import Result
from delivery.policy.verdict import Way
from delivery.promises import foreseen
from tests.delivery.factories import queued
from tests.delivery.routing import OPERATOR, new_transport, relay_to, route_to
from tests.fakes.smtp_server import SmtpServer
from tests.threads import serving

pytestmark = pytest.mark.django_db

RESULTS = {
    State.DELIVERED: Result.DELIVERED,
    State.WAITING: Result.DEFERRED,
    State.FAILED: Result.FAILED,
}


def outlook(owner, domain, mode=None):
    return selectors.outlook(
        owner_id=owner.pk,
        copies=[selectors.CopyRequest(address=f"friend@{domain}", domain=domain)],
        by_hand=mode,
        sender=SenderPolicy(),
        on_broken_tls=BrokenTls.ASK,
        is_list_reply=False,
        now=timezone.now(),
    )


def relay_in(lab, profile, **settings):
    """A host of the lab as a relay: it takes mail for its own domain only."""
    host = lab.domains[f"{profile}.test"].hosts[0][0]
    found = {"name": "smarthost", "kind": "relay", "tls": "may", "hosts": [host]}
    return new_transport(**(found | {"port": lab.smtp_port} | settings))


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("tls", ["may", "encrypted", "verified"])
@pytest.mark.parametrize("profile", ["plain", "starttls", "pkix", "dane", "requiretls"])
def test_what_compose_foresees_of_a_relay_is_what_the_worker_does(
    alice, lab, drain, profile, tls, mode
):
    relay_in(lab, profile, tls=tls)
    route_to("smarthost")
    domain = f"{profile}.test"
    queued(f"first@{domain}", owner=alice, now=timezone.now())
    drain()
    forecast = outlook(alice, domain, mode).copies[0].forecast
    message = queued(f"friend@{domain}", owner=alice, now=timezone.now(), mode=mode)
    drain()
    copy = message.recipients.get()
    assert forecast.result is RESULTS[State(copy.state)]
    if copy.state == State.DELIVERED:
        assert selectors.way_of(copy.last_attempt) is forecast.way
    assert forecast.way in (Way.REQUIRETLS, Way.UNKNOWN, Way.PLAIN, Way.NOT_SENT)


def test_compose_says_that_what_it_knows_ends_at_the_relay(alice):
    with serving(SmtpServer()) as server:
        relay_to(server, hosts=["smtp.example.org"])
        route_to("smarthost")
        seen = outlook(alice, "dane.test")
    assert seen.rows[0].ahead == (
        "Mail for it goes through the relay smtp.example.org. What happens after it is not known "
        "here."
    )
    copy = seen.copies[0]
    assert copy.wire.words == "First hop only"
    assert "What happens after it is not known here." in copy.sentence
    assert seen.choice.mode is Mode.DEFAULT
    assert "does not go straight to its server" in seen.choice.because
    assert seen.choice.weakest == (
        "It goes to a relay first; what happens after it is not known here."
    )


def test_verified_is_offered_as_default_where_a_relay_can_not_keep_it(alice):
    new_transport(name="smarthost", kind="relay", tls="may", hosts=["smtp.example.org"])
    route_to("smarthost")
    copy = outlook(alice, "dane.test", Mode.VERIFIED).copies[0]
    assert copy.is_refused
    assert copy.alternative is not None
    assert copy.alternative.mode is Mode.DEFAULT


def test_a_paused_transport_shows_before_anything_is_sent(alice):
    row = new_transport(name="smarthost", kind="relay", tls="may", hosts=["smtp.example.org"])
    route_to("smarthost")
    transports.pause(row, because="The bill.", actor=OPERATOR, now=timezone.now())
    seen = outlook(alice, "dane.test")
    assert seen.copies[0].is_refused
    assert seen.rows[0].ahead.startswith("The transport “smarthost” is paused.")
    assert "The bill" not in repr(seen)


def test_nothing_is_promised_beyond_the_relay(alice):
    new_transport(name="smarthost", kind="relay", tls="may", hosts=["smtp.example.org"])
    route_to("smarthost")
    ways = foreseen(owner_id=alice.pk, orders={"friend@dane.test": Order()}, now=timezone.now())
    assert ways == {"friend@dane.test": Way.UNKNOWN}


def test_a_route_for_one_domain_leaves_the_others_alone(alice):
    new_transport(name="smarthost", kind="relay", tls="may", hosts=["smtp.example.org"])
    route_to("smarthost", recipient_domains=("dane.test",))
    assert outlook(alice, "plain.test").rows[0].ahead == ""


def test_a_receipt_says_that_what_is_known_ends_at_the_relay(alice, drain):
    with serving(SmtpServer()) as server:
        relay_to(server)
        route_to("smarthost")
        message = queued("friend@dane.test", owner=alice, now=timezone.now())
        drain()
    receipt = selectors.receipt(message)
    assert receipt.summary == (
        "It went in plain text. What happened after the relay is not known here."
    )
    facts = dict(fact[:2] for fact in receipt.parts[0].facts)
    assert facts["Relay"].endswith("what happens after it is not known here.")
    session = selectors.receipt_document(message)["recipients"][0]["session"]
    assert (session["transport"], session["is_first_hop"]) == ("smarthost", True)


def test_a_relay_over_tls_is_no_verified_delivery(alice, lab, drain):
    relay_in(lab, "pkix", tls="verified")
    route_to("smarthost")
    message = queued("friend@pkix.test", owner=alice, now=timezone.now())
    drain()
    receipt = selectors.receipt(message)
    assert receipt.summary == (
        "It went to a relay. What happened after the relay is not known here."
    )
    assert receipt.parts[0].wire.words == "First hop only"
