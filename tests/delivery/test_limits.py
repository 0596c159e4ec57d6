"""How much an account may send in a day: counted once, for every entrance."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import close_old_connections, connection, transaction
from django.test.utils import CaptureQueriesContext

from delivery import audit, limits, services
from delivery.models import KnownAddress, OutboundMessage
from delivery.policy.modes import SenderPolicy
from delivery.refusals import LimitReachedError
from tests.delivery.factories import CONTENT, queued

ACTOR = audit.Actor(name="admin")


def limited(owner, now, recipients=None, new=None):
    limits.set_limits(owner=owner, recipients=recipients, new_recipients=new, actor=ACTOR, now=now)


def sent(owner, now, *addresses, known=()):
    return services.submit(
        owner=owner,
        mail_from="alice@mailweb.test",
        recipients=[services.NewRecipient(address=one) for one in addresses],
        content=CONTENT,
        sender_policy=SenderPolicy(),
        now=now,
        known=known,
    )


@pytest.mark.django_db
def test_a_message_over_the_limit_is_refused_with_the_time_from_which_on_it_can_be_sent(alice, now):
    limited(alice, now, recipients=3)
    sent(alice, now, "a@x.test", "b@x.test")
    sent(alice, now + timedelta(hours=1), "c@x.test")
    with pytest.raises(LimitReachedError) as refusal:
        sent(alice, now + timedelta(hours=2), "d@x.test", "e@x.test", "f@x.test")
    assert refusal.value.again_at == now + timedelta(hours=25)
    assert refusal.value.sentence == (
        "You may write to 3 recipients in 24 hours, and with these 3 it would be more. "
        "From 13:00 UTC on 21 November it can be sent."
    )
    assert OutboundMessage.objects.count() == 2
    again = sent(alice, refusal.value.again_at, "d@x.test", "e@x.test", "f@x.test")
    assert again.recipients.count() == 3


@pytest.mark.django_db
def test_one_that_can_never_be_sent_says_so(alice, now):
    limited(alice, now, recipients=2)
    with pytest.raises(LimitReachedError, match=r"has 3 recipients; 2 in 24 hours") as refusal:
        sent(alice, now, "a@x.test", "b@x.test", "c@x.test")
    assert refusal.value.again_at is None


@pytest.mark.django_db
def test_first_time_recipients_are_those_never_written_to_and_not_known_from_elsewhere(alice, now):
    limited(alice, now, new=2)
    sent(alice, now, "a@x.test", "b@x.test")
    sent(alice, now, "A@x.test", "friend@y.test", known=["friend@y.test"])
    with pytest.raises(LimitReachedError, match="2 recipients for the first time"):
        sent(alice, now, "c@x.test")
    sent(alice, now + timedelta(days=1), "c@x.test", "friend@y.test")
    assert limits.usage_of(alice.pk, now=now + timedelta(days=1)).new_recipients == 1


@pytest.mark.django_db
def test_it_is_known_to_about_a_month_when_an_address_was_last_written_to(alice, now):
    sent(alice, now, "a@x.test", "b@x.test")
    sent(alice, now + timedelta(days=29), "a@x.test")
    sent(alice, now + timedelta(days=31), "A@x.test")
    later = now + timedelta(days=62)
    sent(alice, later, "a@x.test")
    rows = KnownAddress.objects.order_by("key").values_list("key", "first_at", "last_at")
    assert list(rows) == [("a@x.test", now, later), ("b@x.test", now, None)]


@pytest.mark.django_db
def test_noting_that_costs_a_write_a_month(alice, now):
    def queries(at):
        with CaptureQueriesContext(connection) as seen:
            sent(alice, at, "a@x.test")
        return [one["sql"] for one in seen if "delivery_knownaddress" in one["sql"]]

    sent(alice, now, "a@x.test")
    assert [sql.split()[0] for sql in queries(now + timedelta(days=29))] == ["SELECT"]
    assert [sql.split()[0] for sql in queries(now + timedelta(days=31))] == ["SELECT", "UPDATE"]
    assert [sql.split()[0] for sql in queries(now + timedelta(days=32))] == ["SELECT"]


@pytest.mark.django_db
def test_what_was_refused_is_not_remembered_as_known(alice, now):
    limited(alice, now, recipients=1)
    with pytest.raises(LimitReachedError):
        sent(alice, now, "a@x.test", "b@x.test")
    assert not KnownAddress.objects.exists()


@pytest.mark.django_db
def test_what_was_taken_back_in_time_does_not_count(alice, now):
    limited(alice, now, recipients=1)
    message = queued("a@x.test", owner=alice, now=now, release_at=now + timedelta(seconds=10))
    with pytest.raises(LimitReachedError):
        sent(alice, now, "a@x.test")
    assert services.undo(message=message, now=now)
    sent(alice, now, "a@x.test")


@pytest.mark.django_db
def test_accounts_count_apart_and_the_installation_not_at_all(alice, bob, now, settings):
    settings.SENDING_RECIPIENTS_PER_DAY = 1
    sent(alice, now, "a@x.test")
    sent(bob, now, "a@x.test")
    for _ in range(3):
        sent(None, now, "a@x.test")
    with pytest.raises(LimitReachedError):
        sent(alice, now, "a@x.test")


@pytest.mark.django_db
def test_an_account_has_its_own_limits_or_those_of_the_settings_and_zero_is_none(
    alice, now, settings
):
    settings.SENDING_RECIPIENTS_PER_DAY = 1
    settings.SENDING_NEW_RECIPIENTS_PER_DAY = 1
    limited(alice, now, recipients=0, new=0)
    sent(alice, now, *(f"a{number}@x.test" for number in range(5)))
    limited(alice, now)
    with pytest.raises(LimitReachedError):
        sent(alice, now, "b@x.test")


@pytest.mark.django_db
@pytest.mark.parametrize("number", [-1, limits.HIGHEST + 1])
def test_limits_out_of_bounds_are_refused(alice, now, number):
    with pytest.raises(limits.BadLimitError):
        limited(alice, now, recipients=number)


@pytest.mark.django_db(transaction=True)
def test_two_submissions_at_once_cannot_both_take_the_last_place(alice, now):
    limited(alice, now, recipients=1)
    ready, refused = threading.Barrier(2), []

    def submit(address):
        try:
            ready.wait(10)
            with transaction.atomic():
                sent(alice, now, address)
        except LimitReachedError as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=submit, args=(f"{name}@x.test",)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    close_old_connections()
    assert len(refused) == 1
    assert OutboundMessage.objects.count() == 1
