"""Scenario 24: an address is closed by what the recipient's own server said, and by nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery import services, suppressions
from delivery.models import Attempt, Recipient, State, Suppression
from mailweb.lib.addresses import InvalidAddressError
from tests.delivery.factories import ACCEPTED, LATER, REFUSED, claimed, queued, settled
from tests.delivery.routing import relay_to, route_to
from tests.fakes.smtp_server import SmtpServer
from tests.threads import serving

pytestmark = pytest.mark.django_db


def refused_once(owner, now, address="friend@x.test"):
    queued(address, owner=owner, now=now)
    settled(claimed(now), REFUSED, now)
    return Suppression.objects.get(owner=owner)


def on_the_list(owner, now):
    return [entry.address for entry in suppressions.listed(owner.pk, now=now)]


def test_scenario_24_a_mailbox_that_does_not_exist_is_listed_with_the_servers_words(alice, drain):
    queued("nobody@plain.test", owner=alice, now=timezone.now())
    assert drain().failed == 1
    entry = Suppression.objects.get(owner=alice)
    assert (entry.address, entry.code, entry.enhanced, entry.times) == (
        "nobody@plain.test",
        550,
        "5.1.1",
        1,
    )
    assert entry.reply.startswith("550 5.1.1 ")
    assert entry.ends_at - entry.since == timedelta(days=1)


@pytest.mark.parametrize("profile", ["blocklist-mail", "blocklist-rcpt", "full", "rejects-content"])
def test_scenario_24_refusals_about_us_or_the_message_list_nobody(alice, drain, profile):
    queued(f"friend@{profile}.test", owner=alice, now=timezone.now())
    report = drain()
    assert report.failed + report.deferred == 1
    assert not Suppression.objects.exists()


def test_scenario_24_tls_that_fails_lists_nobody(alice, drain):
    queued("friend@dane-mismatch.test", owner=alice, now=timezone.now())
    assert drain().deferred == 1
    assert not Suppression.objects.exists()


def test_scenario_24_copies_gathered_for_one_transaction_respect_the_list(alice, lab, drain):
    now = timezone.now()
    suppressions.add(owner=alice, address="B@plain.test", note="She asked me.", now=now)
    lab.accepted.clear()
    message = queued("a@plain.test", "b@plain.test", "c@plain.test", owner=alice, now=now)
    report = drain()
    assert (report.delivered, report.failed) == (2, 1)
    reached = {address for one in lab.accepted.all() for address in one.recipients}
    assert reached == {"a@plain.test", "c@plain.test"}
    copy = message.recipients.get(address="b@plain.test")
    assert (copy.state, copy.code, copy.enhanced) == (State.FAILED, 550, "5.1.0")
    assert "She asked me." in copy.explanation
    assert copy.last_attempt is None


def test_no_session_takes_place_for_a_suppressed_address(alice, drain):
    now = timezone.now()
    queued("nobody@plain.test", owner=alice, now=now)
    drain()
    sessions = Attempt.objects.count()
    again = queued("Nobody@plain.test", owner=alice, now=now)
    assert drain().failed == 1
    assert Attempt.objects.count() == sessions
    copy = again.recipients.get()
    assert (copy.enhanced, copy.server_reply) == ("5.1.1", "")
    assert "550 5.1.1" in copy.explanation
    assert Suppression.objects.get().times == 1


def test_each_account_has_a_list_of_its_own(alice, bob, now):
    refused_once(alice, now)
    message = queued("friend@x.test", owner=bob, now=now)
    assert suppressions.refused(claimed(now).copies, now=now) == []
    assert message.recipients.get().state == State.SENDING


def test_the_list_is_exact_but_for_case(alice, now):
    refused_once(alice, now, "John.Smith@x.test")
    copies = queued(
        "john.smith@X.test", "johnsmith@x.test", "john.smith+a@x.test", owner=alice, now=now
    )
    results = suppressions.refused(claimed(now).copies, now=now)
    assert [result.key for result in results] == [copies.recipients.order_by("id")[0].pk]


def test_it_counts_for_longer_each_time_and_a_delivery_clears_it(alice, now):
    lengths = []
    for _ in range(5):
        entry = refused_once(alice, now)
        lengths.append((entry.ends_at - now).days)
        now = entry.ends_at
        assert on_the_list(alice, now) == []
    assert lengths == [1, 7, 30, 180, 180]
    queued("friend@x.test", owner=alice, now=now)
    settled(claimed(now), ACCEPTED, now)
    assert not Suppression.objects.exists()
    assert refused_once(alice, now).times == 1


@pytest.fixture
def relay():
    with serving(SmtpServer()) as server:
        yield server


def test_what_a_relay_takes_clears_nothing(alice, drain, relay):
    now = timezone.now()
    entry = refused_once(alice, now - timedelta(days=2), "friend@plain.test")
    relay_to(relay)
    route_to("smarthost")
    queued("friend@plain.test", owner=alice, now=now)
    assert drain().delivered == 1
    assert len(relay.contents) == 1
    assert list(Suppression.objects.all()) == [entry]


def test_what_a_relay_refuses_lists_nobody(alice, drain, relay):
    relay.replies["RCPT"] = "550 5.1.1 no such user"
    relay_to(relay)
    route_to("smarthost")
    queued("friend@plain.test", owner=alice, now=timezone.now())
    assert drain().failed == 1
    assert not Suppression.objects.exists()


def test_what_the_recipients_own_server_takes_clears_it(alice, drain):
    now = timezone.now()
    refused_once(alice, now - timedelta(days=2), "friend@plain.test")
    queued("friend@plain.test", owner=alice, now=now)
    assert drain().delivered == 1
    assert not Suppression.objects.exists()


def test_two_copies_refused_at_once_count_once(alice, now):
    for _ in range(2):
        queued("friend@x.test", owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    assert Suppression.objects.get().times == 1


def test_a_delivery_to_one_of_two_accounts_leaves_the_others_list_alone(alice, bob, now):
    refused_once(alice, now, "friend@x.test")
    refused_once(bob, now, "other@x.test")
    later = now + timedelta(days=2)
    queued("other@x.test", owner=alice, now=later)
    queued("friend@x.test", owner=bob, now=later)
    settled(claimed(later), ACCEPTED, later)
    assert Suppression.objects.count() == 2


def test_what_may_pass_lists_nobody(alice, now):
    queued("friend@x.test", owner=alice, now=now)
    settled(claimed(now), LATER, now)
    assert not Suppression.objects.exists()


def test_mail_of_the_installation_itself_has_no_list(now):
    queued("friend@x.test", owner=None, now=now)
    settled(claimed(now), REFUSED, now)
    assert not Suppression.objects.exists()


def test_lifting_opens_the_address_and_remembers_how_often(alice, now):
    refused_once(alice, now)
    assert suppressions.lift(owner_id=alice.pk, address="FRIEND@x.test", now=now)
    assert not suppressions.lift(owner_id=alice.pk, address="friend@x.test", now=now)
    assert on_the_list(alice, now) == []
    entry = refused_once(alice, now)
    assert (entry.times, (entry.ends_at - now).days) == (2, 7)


def test_trying_a_failed_copy_again_takes_its_address_off_the_list(alice, now):
    refused_once(alice, now)
    copy = Recipient.objects.get()
    assert services.keep_trying(recipient=copy, now=now)
    assert on_the_list(alice, now) == []
    assert suppressions.refused(claimed(now).copies, now=now) == []


def test_by_hand_for_good_or_for_a_time(alice, now):
    suppressions.add(owner=alice, address="a@x.test", now=now)
    suppressions.add(owner=alice, address="b@x.test", now=now, for_time=timedelta(days=3))
    assert on_the_list(alice, now + timedelta(days=2000)) == ["a@x.test"]
    assert suppressions.lift(owner_id=alice.pk, address="a@x.test", now=now)
    assert not Suppression.objects.filter(address="a@x.test").exists()
    with pytest.raises(InvalidAddressError):
        suppressions.add(owner=alice, address="nonsense", now=now)


def test_a_full_list_takes_no_more(alice, now, monkeypatch):
    monkeypatch.setattr(suppressions, "MOST_ENTRIES", 1)
    suppressions.add(owner=alice, address="a@x.test", now=now)
    with pytest.raises(suppressions.TooManySuppressedError):
        suppressions.add(owner=alice, address="b@x.test", now=now)


def test_accounts_without_a_list_cost_no_query_at_claim_or_at_the_end(
    alice, bob, now, django_assert_num_queries
):
    refused_once(bob, now)
    queued("friend@x.test", owner=alice, now=now)
    claim = claimed(now)
    with django_assert_num_queries(0):
        assert suppressions.refused(claim.copies, now=now) == []
    with CaptureQueriesContext(
        connection,
    ) as queries:
        settled(claim, ACCEPTED, now)
    assert not [one for one in queries if "suppression" in one["sql"]]


def test_a_list_costs_one_query_a_claim(alice, now, django_assert_num_queries):
    refused_once(alice, now)
    queued(*(f"a{number}@x.test" for number in range(20)), owner=alice, now=now)
    claim = claimed(now)
    with django_assert_num_queries(1):
        suppressions.refused(claim.copies, now=now)


def test_a_failure_to_keep_the_list_never_fails_a_delivery(alice, now, monkeypatch):
    def broken(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(suppressions, "_close", broken)
    message = queued("friend@x.test", owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    assert message.recipients.get().state == State.FAILED
