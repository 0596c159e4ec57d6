"""Every request in its reader's time zone: the browser tells it in a cookie, else it is UTC."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

COOKIE = "zone"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")


def zone_named(name: str) -> tzinfo:
    """Return the time zone with this name, or UTC if there is none."""
    if len(name) > 64 or not _NAME.fullmatch(name):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return UTC


class ReaderZoneMiddleware:
    """Makes the reader's zone the current one, so that templates show times by the reader's clock."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request in its reader's zone."""
        with timezone.override(zone_named(request.COOKIES.get(COOKIE, ""))):
            return self._get_response(request)
