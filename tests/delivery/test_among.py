"""The lookup `among` finds what `in` finds, on each database."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from delivery.models import Content, Recipient
from tests.delivery.factories import queued

pytestmark = pytest.mark.django_db


@pytest.fixture
def messages(alice, now):
    return [queued("a@x.test", "b@y.test", owner=alice, now=now) for _ in range(3)]


def test_it_finds_rows_by_their_own_keys_and_by_those_of_others(messages):
    first, _, third = messages
    keys = {first.pk, third.pk}
    assert Recipient.objects.filter(message__among=keys).count() == 4
    assert set(Content.objects.filter(message__among=keys).values_list("pk", flat=True)) == keys
    copies = list(first.recipients.values_list("pk", flat=True))
    assert set(Recipient.objects.filter(pk__among=copies)) == set(first.recipients.all())
    assert not Recipient.objects.filter(pk__among=[]).exists()
    assert Recipient.objects.exclude(message__among=keys).count() == 2


def test_rows_are_changed_and_deleted_by_it(messages):
    keys = (one.pk for one in messages[:2])
    Content.objects.filter(message__among=keys).delete()
    assert Content.objects.count() == 1
    every = {one.pk for one in Recipient.objects.all()}
    assert Recipient.objects.filter(pk__among=every).update(code=1) == 6


def test_all_keys_are_one_parameter(messages):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        list(Recipient.objects.filter(pk__among=range(1, 500)))
    (query,) = captured.captured_queries
    assert query["sql"].count(" OR ") == 0
    assert "json_each" in query["sql"] or "ANY" in query["sql"]


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="invalid literal"):
        Recipient.objects.filter(pk__among=["1); DROP TABLE"])
