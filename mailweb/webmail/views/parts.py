"""The page that shows every part in every state: for those who change the look, in demo mode only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_GET

from mailweb.lib.parts import sample_parts

if TYPE_CHECKING:
    from django.http import HttpResponse

    from mailweb.lib.http import UserRequest


@login_required
@require_GET
def parts(request: UserRequest) -> HttpResponse:
    """Show the parts with sample values; an installation with real mail has no such page."""
    if not settings.DEMO:
        raise Http404
    return render(request, "parts.html", {"parts": sample_parts()})
