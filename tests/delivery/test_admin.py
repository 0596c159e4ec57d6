"""The operator's view of the queue and the evidence: found quickly, and history stays as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from delivery import ledger
from delivery.claims import jobs_from
from delivery.models import Attempt, OutboundMessage, Recipient, State
from delivery.policy.modes import Mode
from tests.delivery.factories import LATER, claimed, held, queued, report, settled
from tests.factories import make_user

pytestmark = pytest.mark.django_db
QUEUE = "admin:delivery_recipient_changelist"
COPY = "admin:delivery_recipient_change"


def deferred(message, now):
    """Let every copy of a message be tried once, in vain."""
    claim = claimed(now)
    reports = [report(job, now, outcome=LATER) for job in jobs_from(claim, claim.copies)]
    ledger.record(copies=held(claim), reports=reports, now=now, jitter=0.0)
    return message


@pytest.mark.parametrize(
    "name",
    ["recipient", "outboundmessage", "attempt", "domainevidence", "domainlookup", "stspolicy"],
)
def test_every_list_opens_and_nobody_adds_by_hand(as_operator, name):
    assert as_operator.get(reverse(f"admin:delivery_{name}_changelist")).status_code == 200
    assert as_operator.get(reverse(f"admin:delivery_{name}_add")).status_code == 403


def test_a_person_with_mail_is_no_operator(as_alice):
    response = as_alice.get(reverse(QUEUE))
    assert response.status_code == 302


def test_who_may_only_look_gets_no_orders(alice, now):
    watcher = make_user("watcher@mailweb.test", now=now)
    watcher.is_staff = True
    watcher.save()
    watcher.user_permissions.add(Permission.objects.get(codename="view_recipient"))
    browser = Client()
    browser.force_login(watcher, backend="accounts.backends.AddressBackend")
    copy = queued(owner=alice, now=now).recipients.get()
    page = browser.get(reverse(QUEUE))
    assert "friend@x.test" in page.text
    assert 'value="hold"' not in page.text
    assert 'value="hold"' not in browser.get(reverse(COPY, args=[copy.pk])).text
    ordered = {"action": "drop", "_selected_action": [copy.pk], "confirmed": "1"}
    browser.post(reverse(QUEUE), ordered)
    assert Recipient.objects.get().state == State.QUEUED


@pytest.mark.parametrize("name", ["recipient", "outboundmessage", "attempt"])
def test_history_can_not_be_changed(as_operator, alice, now, name):
    deferred(queued(owner=alice, now=now), now)
    model = {"recipient": Recipient, "outboundmessage": OutboundMessage, "attempt": Attempt}[name]
    row = model.objects.values().get()
    changed = {"state": "delivered", "mail_from": "else@x.test", "outcome": "delivered"}
    for page in ("change", "delete"):
        url = reverse(f"admin:delivery_{name}_{page}", args=[row["id"]])
        assert as_operator.post(url, {**changed, "post": "yes"}).status_code in (403, 405)
    picked = {"action": "delete_selected", "_selected_action": [row["id"]], "post": "yes"}
    as_operator.post(reverse(f"admin:delivery_{name}_changelist"), picked)
    assert model.objects.values().get() == row


def test_one_copy_shows_its_timeline_without_the_subject(as_operator, alice, now):
    message = deferred(queued(owner=alice, now=now), now)
    copy = message.recipients.get()
    page = as_operator.get(reverse(COPY, args=[copy.pk])).text
    for shown in ("451 4.7.1 later", "mx.x.test", "127.0.0.9", "TLSv1.3", "12 ms", "Waiting"):
        assert shown in page
    assert "Hello" not in page
    assert "EHLO mail.mailweb.test" not in page
    attempt = reverse("admin:delivery_attempt_change", args=[Attempt.objects.get().pk])
    assert attempt in page
    assert "EHLO mail.mailweb.test" in as_operator.get(attempt).text
    shown = as_operator.get(reverse("admin:delivery_outboundmessage_change", args=[message.pk]))
    assert "Hello" not in shown.text


def test_a_copy_that_is_not_there_leads_back(as_operator):
    for key in ("7", "seven", "9" * 40):
        assert as_operator.get(reverse(COPY, args=[key])).status_code == 302


def test_a_copy_costs_the_same_however_often_it_was_tried(
    as_operator, alice, now, django_assert_max_num_queries
):
    message = queued(owner=alice, now=now)
    for hours in range(6):
        deferred(message, now + timedelta(days=hours / 4))
    url = reverse(COPY, args=[message.recipients.get().pk])
    assert Attempt.objects.count() == 6
    with django_assert_max_num_queries(7):
        as_operator.get(url)


def test_what_is_settled_is_left_out_until_it_is_asked_for(as_operator, alice, now):
    queued("a@x.test", owner=alice, now=now)
    Recipient.objects.update(state=State.CANCELLED, settled_at=now, next_attempt_at=None)
    queued("b@x.test", owner=alice, now=now)
    listed = as_operator.get(reverse(QUEUE)).text
    assert "b@x.test" in listed
    assert "a@x.test" not in listed
    for state in ("settled", "cancelled"):
        listed = as_operator.get(reverse(QUEUE), {"state": state}).text
        assert "a@x.test" in listed
        assert "b@x.test" not in listed
    assert "a@x.test" in as_operator.get(reverse(QUEUE), {"state": "all"}).text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"to": "X.test"}, True),
        ({"to": "y.test"}, False),
        ({"from": "@mailweb.test"}, True),
        ({"from": "web.test"}, False),
        ({"account": "Alice@mailweb.test"}, True),
        ({"account": "bob@mailweb.test"}, False),
        ({"mode__exact": "verified"}, True),
        ({"mode__exact": "default"}, False),
        ({"transport": "smarthost"}, True),
        ({"transport": "direct"}, False),
        ({"transport": "routes"}, False),
        ({"why": "4.7.1"}, True),
        ({"why": "4.4.1"}, False),
        ({"why": "certificate-expired"}, False),
        ({"why": "450"}, False),
        ({"older": "1h"}, True),
        ({"older": "1d"}, False),
        ({"tries": "1"}, True),
        ({"tries": "3"}, False),
        ({"tries": "0"}, False),
        ({"q": "friend"}, True),
        ({"q": "enemy"}, False),
        ({"to": "x.test", "why": "4.7.1", "tries": "3"}, False),
    ],
    ids=str,
)
def test_each_filter_narrows_and_all_must_hold(as_operator, alice, asked, found):
    now = timezone.now() - timedelta(hours=2)
    deferred(queued(owner=alice, now=now), now)
    Recipient.objects.update(mode=Mode.VERIFIED, transport="smarthost")
    page = as_operator.get(reverse(QUEUE), asked)
    assert page.status_code == 200
    assert (page.context["cl"].result_count == 1) is found


def test_text_filters_keep_the_others(as_operator, alice, now):
    queued(owner=alice, now=now)
    page = as_operator.get(reverse(QUEUE), {"to": "x.test", "state": "queued"}).text
    assert '<input type="hidden" name="state" value="queued">' in page
    assert 'name="to" value="x.test"' in page


def test_depths_are_links_by_state_and_by_why(as_operator, alice, now):
    deferred(queued("a@x.test", "b@x.test", owner=alice, now=now), now)
    queued("c@y.test", owner=alice, now=now)
    page = as_operator.get(reverse(QUEUE), {"to": "nowhere.test"})
    assert dict(page.context["depths"].states) == {"queued": 1, "waiting": 2}
    assert '<a class="depth" href="?state=waiting"><strong>2</strong> waiting</a>' in page.text
    assert 'href="?why=4.7.1"><strong>2</strong> The server turns this mail away' in page.text


def test_the_lists_cost_the_same_however_long_they_are(
    as_operator, alice, now, django_assert_num_queries
):
    deferred(queued(*[f"a{number}@x.test" for number in range(40)], owner=alice, now=now), now)
    for name, queries in (("recipient", 6), ("attempt", 4), ("outboundmessage", 4)):
        url = reverse(f"admin:delivery_{name}_changelist")
        as_operator.get(url)
        with django_assert_num_queries(queries):
            as_operator.get(url)


def test_the_ledger_is_counted_only_as_far_as_pages_are_turned(
    as_operator, alice, now, monkeypatch
):
    monkeypatch.setattr("delivery.admin_kinds.BoundedPaginator.most", 2)
    for number in range(4):
        deferred(queued(f"a@x{number}.test", owner=alice, now=now), now)
    page = as_operator.get(reverse("admin:delivery_attempt_changelist"))
    assert page.context["cl"].result_count == 2


def test_evidence_is_found_by_domain_host_and_reply(as_operator, alice, now):
    deferred(queued(owner=alice, now=now), now)
    url = reverse("admin:delivery_attempt_changelist")
    for word, count in (("x.test", 1), ("mx.x", 1), ("later", 1), ("elsewhere", 0)):
        assert as_operator.get(url, {"q": word}).context["cl"].result_count == count


def test_settled_copies_offer_no_orders(as_operator, alice, now):
    queued(owner=alice, now=now)
    settled(claimed(now), LATER, now)
    Recipient.objects.update(state=State.CANCELLED, settled_at=now, next_attempt_at=None)
    page = as_operator.get(reverse(COPY, args=[Recipient.objects.get().pk])).text
    assert 'name="action"' not in page


def test_lists_are_named_for_people_and_say_that_nothing_is_there(as_operator):
    front = as_operator.get(reverse("admin:index"))
    assert [area["name"] for area in front.context["app_list"]] == [
        "Queue",
        "Ways out",
        "Rules",
        "Accounts and domains",
        "Recipient domains",
        "Who did what",
    ]
    page = as_operator.get(reverse("admin:delivery_attempt_changelist")).text
    assert "<h1>Attempts</h1>" in page
    assert "Nothing is here." in page


def test_an_attempt_that_is_not_there_leads_back_to_the_list(as_operator):
    gone = as_operator.get(reverse("admin:delivery_attempt_change", args=[77]))
    assert gone["Location"] == reverse("admin:delivery_attempt_changelist")
