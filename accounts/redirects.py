"""Addresses to go on to, given by a request and therefore not to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.http import url_has_allowed_host_and_scheme

if TYPE_CHECKING:
    from django.http import HttpRequest


def own_url(request: HttpRequest, asked: str) -> str:
    """Return `asked` if it leads to this installation, else nothing."""
    is_ours = url_has_allowed_host_and_scheme(
        asked, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return asked if is_ours else ""


def next_url(request: HttpRequest) -> str:
    """Return where the request asks to go on to, if that is ours."""
    return own_url(request, request.POST.get("next") or request.GET.get("next", ""))
