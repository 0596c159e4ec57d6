"""The operator's view of the queue."""

from __future__ import annotations

import pytest
from django.urls import reverse

from delivery.models import Recipient, State
from tests.delivery.factories import LATER, claimed, queued, settled

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "name",
    ["recipient", "outboundmessage", "attempt", "domainevidence", "domainlookup", "stspolicy"],
)
def test_every_list_opens_and_nobody_adds_by_hand(as_operator, name):
    assert as_operator.get(reverse(f"admin:delivery_{name}_changelist")).status_code == 200
    assert as_operator.get(reverse(f"admin:delivery_{name}_add")).status_code == 403


def test_a_person_with_mail_is_no_operator(as_alice):
    response = as_alice.get(reverse("admin:delivery_recipient_changelist"))
    assert response.status_code == 302


def test_one_copy_shows_its_history_without_the_subject(as_operator, alice, now):
    message = queued(owner=alice, now=now)
    settled(claimed(now), LATER, now)
    copy = message.recipients.get()
    page = as_operator.get(reverse("admin:delivery_recipient_change", args=[copy.pk]))
    assert "451 4.7.1 later" in page.text
    shown = as_operator.get(reverse("admin:delivery_outboundmessage_change", args=[message.pk]))
    assert "Hello" not in shown.text


def test_an_action_asks_first_and_says_how_many_it_would_touch(as_operator, alice, now):
    queued("a@x.test", "b@y.test", owner=alice, now=now)
    url = reverse("admin:delivery_recipient_changelist")
    picked = list(Recipient.objects.values_list("pk", flat=True))
    asked = as_operator.post(url, {"action": "hold", "_selected_action": picked})
    assert "2 of 2" in asked.text
    assert not Recipient.objects.filter(state=State.HELD).exists()
    as_operator.post(
        url,
        {"action": "hold", "_selected_action": picked, "confirmed": "1", "reason": "Asked to"},
    )
    assert Recipient.objects.filter(state=State.HELD, hold_reason="Asked to").count() == 2


def test_the_list_costs_the_same_however_long_it_is(
    as_operator, alice, now, django_assert_max_num_queries
):
    queued(*[f"a{number}@x.test" for number in range(40)], owner=alice, now=now)
    with django_assert_max_num_queries(12):
        as_operator.get(reverse("admin:delivery_recipient_changelist"))
