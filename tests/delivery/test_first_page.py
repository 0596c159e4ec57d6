"""The operators' first page says what needs them; hosts in trouble can be tried at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from delivery import ledger
from delivery.claims import jobs_from
from delivery.models import DestinationHealth, Recipient, State, Transport
from tests.delivery.factories import LATER, REFUSED, claimed, held, queued, report, settled
from tests.factories import make_user

pytestmark = pytest.mark.django_db
HOSTS = "admin:delivery_destinationhealth_changelist"


@pytest.fixture
def now():
    return timezone.now()


def deferred(now):
    claim = claimed(now)
    reports = [report(job, now, outcome=LATER) for job in jobs_from(claim, claim.copies)]
    ledger.record(copies=held(claim), reports=reports, now=now, jitter=0.0)


def in_trouble(now, host="mx.x.test", address="127.0.0.9"):
    return DestinationHealth.objects.create(
        host=host,
        address=address,
        failures=5,
        pauses=1,
        trouble="it did not answer",
        last_reply="Connection refused.",
        next_probe_at=now + timedelta(minutes=1),
        worker="mail:7",
        updated_at=now,
    )


def concerns(client):
    page = client.get(reverse("admin:index"))
    assert page.status_code == 200
    return {one.words: one for one in page.context["concerns"]}


def test_where_all_is_well_it_says_so(as_operator, alice, now):
    assert "The queue is empty, and nothing needs you." in as_operator.get("/admin/").text
    queued(owner=alice, now=now)
    assert "1 copy is under way, and nothing needs you." in as_operator.get("/admin/").text


def test_what_is_held_waits_or_failed_is_told_with_its_reason(as_operator, alice, now):
    queued("a@x.test", "b@x.test", owner=alice, now=now)
    deferred(now)
    queued("c@y.test", owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    queued("d@z.test", owner=alice, now=now)
    Recipient.objects.filter(domain="z.test").update(state=State.HELD, hold_reason="Abuse report")
    found = concerns(as_operator)
    assert found["1 copy is held"].detail == "Abuse report"
    (reason,) = as_operator.get("/admin/").context["reasons"]
    assert (reason.depth, reason.key) == (2, "4.7.1")
    assert found["2 copies wait for x.test"].at == now
    assert found["1 copy to y.test failed in the last 24 hours"].tone == "bad"
    for concern in found.values():
        assert as_operator.get(concern.url).context["cl"].result_count in (1, 2)


def test_an_old_failure_is_no_news(as_operator, alice, now):
    queued(owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    Recipient.objects.update(settled_at=now - timedelta(hours=25))
    assert concerns(as_operator) == {}


def test_mail_that_nobody_takes_is_told(as_operator, alice, now):
    queued(owner=alice, now=now - timedelta(minutes=6))
    assert list(concerns(as_operator)) == [
        "1 copy is due and nobody takes it. Is a worker running?"
    ]


def test_a_host_in_trouble_is_told_with_what_waits_for_it(as_operator, alice, now):
    queued("a@x.test", "b@x.test", owner=alice, now=now)
    deferred(now)
    in_trouble(now)
    words = "mx.x.test [127.0.0.9]: it did not answer 5 times in a row; 2 copies wait for x.test"
    found = concerns(as_operator)
    assert found[words].detail == "Connection refused."
    assert "2 copies wait for x.test" not in found


def test_a_paused_transport_is_told_with_its_reason(as_operator, now):
    Transport.objects.create(
        name="smarthost",
        kind="submission",
        hosts=["relay.test"],
        paused_at=now,
        paused_because="535 5.7.8 bad password",
    )
    concern = concerns(as_operator)["The transport smarthost is paused, and its mail waits"]
    assert (concern.detail, concern.at) == ("535 5.7.8 bad password", now)
    assert as_operator.get(concern.url).status_code == 200


def test_the_first_page_costs_the_same_however_much_waits(
    as_operator, alice, now, django_assert_max_num_queries
):
    queued(*[f"a@x{number}.test" for number in range(30)], owner=alice, now=now)
    deferred(now)
    for number in range(8):
        in_trouble(now, host=f"mx{number}.x.test")
    as_operator.get("/admin/")
    with django_assert_max_num_queries(18):
        as_operator.get("/admin/")


def test_who_may_not_see_the_queue_is_told_nothing_of_it(alice, now):
    queued(owner=alice, now=now - timedelta(hours=1))
    clerk = make_user("clerk@mailweb.test", now=now)
    clerk.is_staff = True
    clerk.save()
    clerk.user_permissions.add(Permission.objects.get(codename="view_domain"))
    browser = Client()
    browser.force_login(clerk, backend="accounts.backends.AddressBackend")
    page = browser.get("/admin/")
    assert "nobody takes" not in page.text
    assert "Latest changes" not in page.text


def test_the_latest_changes_are_on_the_first_page(as_operator, alice, now):
    assert "Account added" in as_operator.get("/admin/").text


def test_hosts_in_trouble_are_listed_with_what_waits_for_them(as_operator, alice, now):
    queued("a@x.test", "b@x.test", owner=alice, now=now)
    deferred(now)
    in_trouble(now)
    page = as_operator.get(reverse(HOSTS))
    assert "it did not answer: Connection refused." in page.text
    assert '?host=mx.x.test">2</a>' in page.text
    listed = as_operator.get(reverse("admin:delivery_recipient_changelist"), {"host": "mx.x.test"})
    assert listed.context["cl"].result_count == 2


def test_the_list_of_hosts_costs_the_same_however_long_it_is(
    as_operator, now, django_assert_max_num_queries
):
    for number in range(40):
        in_trouble(now, host=f"mx{number}.x.test")
    with django_assert_max_num_queries(7):
        as_operator.get(reverse(HOSTS))


def test_try_now_lets_go_of_the_host_and_of_all_that_waits_for_it(
    as_operator, alice, now, started, django_capture_on_commit_callbacks
):
    queued("a@x.test", owner=alice, now=now)
    deferred(now)
    queued("b@y.test", owner=alice, now=now)
    deferred(now)
    row = in_trouble(now)
    other = in_trouble(now, host="mx.y.test")
    started.clear()
    with django_capture_on_commit_callbacks(execute=True):
        done = as_operator.post(reverse(HOSTS), {"action": "try_now", "_selected_action": [row.pk]})
    assert [str(one) for one in get_messages(done.wsgi_request)] == [
        "1 host is tried again; 1 copy leaves now."
    ]
    assert list(DestinationHealth.objects.all()) == [other]
    states = dict(Recipient.objects.values_list("domain", "state"))
    assert states == {"x.test": State.QUEUED, "y.test": State.WAITING}
    assert started == [("delivery.tasks.drain", ())]
    entry = AuditEntry.objects.get(action="host tried now")
    assert (entry.by, entry.target, entry.touched) == ("admin", "mx.x.test", 1)


def test_who_may_only_look_can_not_try_a_host(alice, now):
    row = in_trouble(now)
    watcher = make_user("watcher@mailweb.test", now=now)
    watcher.is_staff = True
    watcher.save()
    watcher.user_permissions.add(Permission.objects.get(codename="view_destinationhealth"))
    browser = Client()
    browser.force_login(watcher, backend="accounts.backends.AddressBackend")
    browser.post(reverse(HOSTS), {"action": "try_now", "_selected_action": [row.pk]})
    assert DestinationHealth.objects.exists()
