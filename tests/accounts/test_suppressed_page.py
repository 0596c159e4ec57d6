"""The page of suppressed addresses, and the limits on the page about sending."""

from __future__ import annotations

import pytest
from django.utils import timezone

from delivery import suppressions
from delivery.models import Suppression
from tests.delivery.factories import REFUSED, claimed, queued, settled

PAGE = "/settings/suppressed/"


def refused(owner, address="friend@x.test"):
    now = timezone.now()
    queued(address, owner=owner, now=now)
    settled(claimed(now), REFUSED, now)
    return Suppression.objects.get(owner=owner)


def test_an_entry_shows_the_servers_words_and_its_dates(as_alice, alice):
    refused(alice)
    page = as_alice.get(PAGE).content.decode()
    assert "The server of friend@x.test refused it on" in page
    assert "550-5.1.1 no 550 5.1.1 such user" in page
    assert "On the list until" in page


def test_an_empty_list_says_what_would_stand_there(as_alice):
    assert "No address is suppressed." in as_alice.get(PAGE).content.decode()


def test_an_entry_is_lifted(as_alice, alice):
    entry = refused(alice)
    answer = as_alice.post(f"{PAGE}{entry.pk}/lift/")
    assert answer["Location"] == PAGE
    assert suppressions.listed(alice.pk, now=timezone.now()) == []


def test_charlie_neither_sees_nor_lifts_an_entry_of_alice(as_charlie, alice):
    entry = refused(alice)
    assert "friend@x.test" not in as_charlie.get(PAGE).content.decode()
    assert as_charlie.post(f"{PAGE}{entry.pk}/lift/").status_code == 404
    assert suppressions.listed(alice.pk, now=timezone.now()) != []


def test_an_address_is_added_by_hand(as_alice, alice):
    answer = as_alice.post(PAGE, {"address": "Ex@Bücher.test", "note": "Never again."})
    assert answer["Location"] == PAGE
    page = as_alice.get(PAGE).content.decode()
    assert "Ex@bücher.test" in page
    assert "Never again." in page
    assert "until you lift it" in page


@pytest.mark.parametrize("address", ["", "nonsense", "a@", "x" * 400 + "@x.test"])
def test_what_is_no_address_is_refused_beside_its_field(as_alice, address):
    answer = as_alice.post(
        PAGE,
        {"address": address},
        headers={"hx-request": "true", "hx-target": "suppress-form"},
    )
    assert answer.status_code == 422
    text = answer.content.decode()
    assert text.strip().startswith('<form class="form" id="suppress-form"')
    assert 'id="id_address_error"' in text
    assert not Suppression.objects.exists()


def test_the_page_about_sending_shows_the_limits_and_their_use(as_alice, alice, settings):
    settings.SENDING_NEW_RECIPIENTS_PER_DAY = 0
    queued("a@x.test", "b@x.test", owner=alice, now=timezone.now())
    page = as_alice.get("/settings/sending/").content.decode()
    assert "2 of 1,000 in the last 24 hours." in page
    assert "2 in the last 24 hours. There is no limit." in page
