"""A domain that gave up DANE or MTA-STS: the alert, and what its page tells of the past."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.models import PublishedPolicy
from tests.accounts.seen import make_facts, make_session

DAY = timedelta(days=1)


def gave_up(domain, gone, *, kind="tlsa", **columns):
    now = timezone.now()
    defaults = {
        "host": f"mx.{domain}" if kind == "tlsa" else "",
        "mode": "usable" if kind == "tlsa" else "enforce",
        "content": "3 1 1 " + "00" * 32 if kind == "tlsa" else "version: STSv1",
        "first_seen_at": now - gone - 20 * DAY,
        "last_seen_at": now - gone - DAY,
        "gone_at": now - gone,
    }
    PublishedPolicy.objects.create(domain=domain, kind=kind, **(defaults | columns))


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.mark.parametrize(
    ("kind", "title", "had"),
    [
        ("tlsa", "far.test stopped publishing DANE records", "It had usable ones from"),
        ("mta-sts", "far.test no longer enforces its MTA-STS policy", "It was enforced from"),
    ],
)
def test_protection_that_was_given_up_needs_attention(as_alice, alice, kind, title, had):
    make_session(alice, "far.test", timezone.now() - 40 * DAY)
    gave_up("far.test", 2 * DAY, kind=kind)
    page = text(as_alice.get("/security/"))
    assert title in page
    assert had in page
    assert "far.test" in text(as_alice.get("/security/?show=changed"))


def test_an_alert_tells_no_dates_from_before_the_account_knew_the_domain(as_alice, alice):
    make_session(alice, "far.test", timezone.now())
    gave_up("far.test", 2 * DAY)
    page = text(as_alice.get("/security/"))
    assert "far.test stopped publishing DANE records" in page
    assert "It had usable ones before." in page


def test_what_others_write_to_is_no_alert_of_mine(as_alice, alice, bob):
    make_session(bob, "far.test", timezone.now() - 40 * DAY)
    gave_up("far.test", 2 * DAY)
    assert "far.test" not in text(as_alice.get("/security/"))


def test_the_page_of_a_domain_tells_what_it_published_before(as_alice, alice):
    make_session(alice, "far.test", timezone.now() - 40 * DAY)
    make_facts("far.test", timezone.now())
    gave_up("far.test", 2 * DAY)
    page = text(as_alice.get("/security/far.test/"))
    assert "What it published before" in page
    assert "TLSA Withdrawn For mx.far.test: usable records." in page


def test_the_page_of_a_domain_without_a_past_has_no_such_part(as_alice, alice):
    make_session(alice, "far.test", timezone.now())
    make_facts("far.test", timezone.now())
    gave_up("far.test", 2 * DAY)
    assert "What it published before" not in text(as_alice.get("/security/far.test/"))
