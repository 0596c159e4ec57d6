"""Who asks, when a proxy stands in between.

The proxy appends the address it saw to X-Forwarded-For, so only the last entry is its word; those
before it are the client's own and prove nothing. It counts only from proxies that are trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse


class ClientAddressMiddleware:
    """Puts the client's address where Django and everybody else look for it: REMOTE_ADDR."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Replace the proxy's address by the one it reports."""
        seen = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if seen and request.META.get("REMOTE_ADDR") in settings.TRUSTED_PROXIES:
            request.META["REMOTE_ADDR"] = seen
        return self._get_response(request)
