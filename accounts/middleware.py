"""Notes, at most once a minute, that a browser is still in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from accounts import services

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase


class LastSeenMiddleware(MiddlewareMixin):
    """Costs one look into the local cache; one UPDATE a minute and browser."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Renew the time at which this browser was last seen."""
        session = getattr(request, "session", None)
        key = session.session_key if session is not None else None
        if key:
            services.touch_session(session_key=key, now=timezone.now())
        return response
