"""Times are shown by the reader's clock, and a cookie can't break a page."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from delivery.policy.dates import ago
from mailweb.lib.zone import ReaderZoneMiddleware, zone_named

NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["", "Nowhere/Town", "America", "../../etc/passwd", "/etc/passwd", "x" * 70, "Eur\0pe"]
)
def test_a_name_that_is_no_zone_means_utc(name: str):
    assert zone_named(name) is UTC


def test_a_request_is_answered_in_its_readers_zone():
    request = RequestFactory().get("/")
    request.COOKIES["zone"] = "Europe/Berlin"
    seen = []

    def view(_request: object) -> HttpResponse:
        seen.append(timezone.get_current_timezone_name())
        return HttpResponse()

    ReaderZoneMiddleware(view)(request)
    assert seen == ["Europe/Berlin"]
    assert timezone.get_current_timezone_name() == "UTC"


def test_facts_are_dated_by_the_readers_clock():
    now = NOW.astimezone(ZoneInfo("Europe/Berlin"))
    assert ago(datetime(2026, 11, 20, 22, 40, tzinfo=UTC), NOW) == "50 minutes ago"
    assert ago(datetime(2026, 11, 20, 20, 0, tzinfo=UTC), NOW) == "today 20:00"
    assert ago(datetime(2026, 11, 20, 20, 0, tzinfo=UTC), now) == "yesterday"
    assert ago(datetime(2026, 11, 19, 23, 30, tzinfo=UTC), now) == "yesterday"
