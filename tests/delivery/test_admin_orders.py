"""Orders for many copies in the admin: asked first, counted, done once, and written down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from delivery.models import Recipient, State, Transport
from delivery.policy.modes import Mode
from tests.delivery.factories import claimed, queued

pytestmark = pytest.mark.django_db
QUEUE = "admin:delivery_recipient_changelist"


@pytest.fixture
def now():
    return timezone.now()


def picked(**more):
    return {"_selected_action": list(Recipient.objects.values_list("pk", flat=True)), **more}


def told(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_it_asks_first_with_counts_by_state_and_domain(as_operator, alice, now):
    queued("a@x.test", "b@x.test", "c@y.test", owner=alice, now=now)
    Recipient.objects.filter(address="a@x.test").update(state=State.WAITING)
    page = as_operator.post(reverse(QUEUE), picked(action="hold"))
    found = page.context["found"]
    assert (found.count, found.by_state) == (3, (("queued", 2), ("waiting", 1)))
    assert found.by_domain == (("x.test", 2), ("y.test", 1))
    assert "<strong>3 copies</strong> would be touched" in page.text
    assert not Recipient.objects.filter(state=State.HELD).exists()
    assert not AuditEntry.objects.filter(action__startswith="queue").exists()


@pytest.mark.parametrize(
    ("action", "said", "before", "after"),
    [
        ("hold", {"reason": "Asked to"}, State.WAITING, {"state": State.HELD}),
        ("release", {}, State.HELD, {"state": State.QUEUED}),
        ("kick", {}, State.WAITING, {"state": State.QUEUED}),
        ("fail", {"reason": "Wrong list"}, State.WAITING, {"state": State.FAILED}),
        ("drop", {}, State.WAITING, {"state": State.CANCELLED}),
        ("mode", {"mode": "requiretls"}, State.WAITING, {"mode": Mode.REQUIRETLS}),
        ("transport", {"transport": "smarthost"}, State.HELD, {"transport": "smarthost"}),
        ("transport", {"transport": "routes"}, State.WAITING, {"transport": ""}),
        ("schedule", {"delay": "240"}, State.WAITING, {"state": State.WAITING}),
    ],
    ids=lambda value: value if isinstance(value, str) and value.islower() else "",
)
def test_each_order_is_done_and_written_down(as_operator, alice, now, action, said, before, after):
    Transport.objects.create(name="smarthost", kind="relay", hosts=["relay.test"])
    queued(owner=alice, now=now)
    Recipient.objects.update(state=before)
    sent = picked(action=action, confirmed="1", **said)
    response = as_operator.post(reverse(QUEUE), sent)
    assert response.status_code == 302
    copy = Recipient.objects.get()
    assert {name: getattr(copy, name) for name in after} == after
    entry = AuditEntry.objects.get(action=f"queue {action}")
    assert (entry.by, entry.touched, entry.detail["ids"]) == ("admin", 1, [copy.pk])
    assert entry.reason == said.get("reason", "")


def test_another_time_is_taken_as_a_delay_or_by_the_clock(as_operator, alice, now):
    queued(owner=alice, now=now)
    as_operator.post(reverse(QUEUE), picked(action="schedule", delay="15", confirmed="1"))
    wait = Recipient.objects.get().next_attempt_at - timezone.now()
    assert timedelta(minutes=14) < wait <= timedelta(minutes=15)
    at = (now + timedelta(days=1)).replace(second=0, microsecond=0)
    sent = picked(action="schedule", delay="at", at=f"{at:%Y-%m-%dT%H:%M}", confirmed="1")
    as_operator.cookies["zone"] = "UTC"
    as_operator.post(reverse(QUEUE), sent)
    assert Recipient.objects.get().next_attempt_at == at


@pytest.mark.parametrize(
    ("action", "said", "refusal"),
    [
        ("hold", {}, "This field is required"),
        ("fail", {"reason": " "}, "This field is required"),
        ("hold", {"reason": "x" * 301}, "at most 300 characters"),
        ("mode", {"mode": "hidden"}, "Select a valid choice"),
        ("transport", {"transport": "nowhere"}, "Select a valid choice"),
        ("schedule", {"delay": "at"}, "Say when."),
        ("schedule", {"delay": "at", "at": "2200-01-01T00:00"}, "60 days at most"),
    ],
)
def test_what_is_missing_is_asked_again(as_operator, alice, now, action, said, refusal):
    queued(owner=alice, now=now)
    page = as_operator.post(reverse(QUEUE), picked(action=action, confirmed="1", **said))
    assert page.status_code == 422
    assert refusal in page.text
    assert Recipient.objects.get().state == State.QUEUED
    assert Recipient.objects.get().next_attempt_at == now


def test_all_that_match_are_touched_without_their_ids_in_the_form(as_operator, alice, now):
    queued(*[f"a{number}@x.test" for number in range(120)], owner=alice, now=now)
    queued("b@y.test", owner=alice, now=now)
    url = reverse(QUEUE) + "?to=x.test&state=queued"
    first = Recipient.objects.filter(domain="x.test").first().pk
    ticked = {"action": "hold", "_selected_action": [first], "select_across": "1", "index": "0"}
    asked = as_operator.post(url, ticked)
    assert asked.context["found"].count == 120
    assert asked.text.count('name="_selected_action"') == 1
    queued("late@x.test", owner=alice, now=now)
    sure = {
        "action": "hold",
        "_selected_action": "0",
        "select_across": "1",
        "up_to": asked.context["up_to"],
        "confirmed": "1",
        "reason": "Their server is down",
    }
    done = as_operator.post(url, sure)
    assert told(done) == ["Hold: 120 copies."]
    assert done.headers["Location"] == url
    assert Recipient.objects.filter(state=State.HELD, domain="x.test").count() == 120
    assert Recipient.objects.get(address="late@x.test").state == State.QUEUED
    entry = AuditEntry.objects.get(action="queue hold")
    assert entry.detail["filters"] == {"to": "x.test", "state": "queued"}
    assert (entry.touched, entry.target) == (120, "to-domain x.test, state queued")


def test_what_is_being_sent_is_left_alone_and_told(as_operator, alice, now):
    queued("a@x.test", owner=alice, now=now)
    claimed(now)
    queued("b@x.test", owner=alice, now=now)
    asked = as_operator.post(reverse(QUEUE), picked(action="drop"))
    assert "1 copy is being sent right now, and is left alone." in asked.text
    done = as_operator.post(reverse(QUEUE), picked(action="drop", confirmed="1"))
    (sentence,) = told(done)
    assert sentence == "Drop, and tell nobody: 1 copy. 1 copy is being sent right now."
    assert Recipient.objects.get(address="a@x.test").state == State.SENDING


def test_the_page_costs_the_same_however_many_are_picked(
    as_operator, alice, now, django_assert_max_num_queries
):
    queued(*[f"a{number}@x{number}.test" for number in range(60)], owner=alice, now=now)
    sent = {"action": "drop", "_selected_action": "0", "select_across": "1"}
    with django_assert_max_num_queries(12):
        page = as_operator.post(reverse(QUEUE), sent)
    assert page.context["found"].other_domains == 50


def test_one_copy_is_ordered_from_its_page(as_operator, alice, now):
    queued("a@x.test", owner=alice, now=now)
    copy = Recipient.objects.get()
    page = as_operator.get(reverse("admin:delivery_recipient_change", args=[copy.pk]))
    assert [verb.name for verb in page.context["verbs"]][:2] == ["hold", "kick"]
    url = page.context["orders_url"] + "?state=all"
    asked = as_operator.post(url, {"action": "hold", "_selected_action": copy.pk})
    assert asked.context["found"].count == 1
