"""What Django says about log-ins becomes a list of browsers that people can look at."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.utils import timezone

from accounts import services

if TYPE_CHECKING:
    from django.http import HttpRequest

    from accounts.models import User


@receiver(user_logged_in, dispatch_uid="accounts.list_session")
def list_session(*, request: HttpRequest, user: User, **_: Any) -> None:
    """List the browser in which somebody has just logged in."""
    if not request.session.session_key:
        request.session.create()
    services.begin_session(
        user=user,
        session_key=request.session.session_key or "",
        address=_address_of(request),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
        now=timezone.now(),
    )


@receiver(user_logged_out, dispatch_uid="accounts.strike_session")
def strike_session(*, request: HttpRequest, user: User | None, **_: Any) -> None:
    """Take the browser off the list when somebody logs out in it."""
    if user is not None and request.session.session_key:
        services.end_sessions(user=user, only=request.session.session_key)


def _address_of(request: HttpRequest) -> str | None:
    """Return the client's address, or None where the server has none to give."""
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None
