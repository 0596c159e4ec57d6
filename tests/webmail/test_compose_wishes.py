"""What a sender wants to be told about a message."""

from __future__ import annotations

import pytest

from delivery.models import OutboundMessage
from mailweb.webmail.models import Draft

KEY = "0b2ff0a4-51a0-4c0f-8f2e-6f6f2a6f1c12"
WRITTEN = {"sender": "alice@mailweb.test", "to": "bob@x.test", "subject": "Lease", "body": "Hello"}


@pytest.fixture(autouse=True)
def frozen(time_machine, now):
    time_machine.move_to(now, tick=False)


def test_who_ticks_it_is_told_when_it_is_delivered_failed_or_late(as_alice):
    as_alice.post(f"/mail/compose/{KEY}/send/", WRITTEN | {"tells_delivery": "1"})
    assert OutboundMessage.objects.get().recipients.get().notify == "SUCCESS,FAILURE,DELAY"


def test_who_does_not_is_told_of_what_went_wrong_only(as_alice):
    as_alice.post(f"/mail/compose/{KEY}/send/", WRITTEN)
    assert OutboundMessage.objects.get().recipients.get().notify == ""


def test_the_wish_is_saved_with_the_draft_and_comes_back_with_undo(as_alice):
    as_alice.post(f"/mail/compose/{KEY}/", WRITTEN | {"tells_delivery": "1"})
    assert Draft.objects.get().tells_delivery
    field = 'name="tells_delivery" value="1"'
    assert f"{field} checked" in as_alice.get(f"/mail/compose/{KEY}/").text
    version = str(Draft.objects.get().version)
    as_alice.post(
        f"/mail/compose/{KEY}/send/", WRITTEN | {"tells_delivery": "1", "version": version}
    )
    as_alice.post(f"/mail/outbox/{OutboundMessage.objects.get().uuid}/undo/")
    assert Draft.objects.get().tells_delivery


@pytest.mark.parametrize("at", ["2027-01-20T12:01", "2028-01-01T08:00"])
def test_more_than_sixty_days_ahead_is_refused_with_the_limit(as_alice, at):
    answer = as_alice.post(f"/mail/compose/{KEY}/send/", WRITTEN | {"later": "at", "send_at": at})
    assert answer.status_code == 422
    assert "60 days" in answer.text
    assert not OutboundMessage.objects.exists()
