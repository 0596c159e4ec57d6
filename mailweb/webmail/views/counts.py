"""The numbers beside the mailboxes, for pages that heard over the socket that one of them changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from django.views.decorators.http import require_GET

if TYPE_CHECKING:
    from django.http import HttpResponse

    from mailweb.lib.http import UserRequest


@login_required
@require_GET
def counts(request: UserRequest) -> HttpResponse:
    """Answer with every number of the sidebar, each to be put in its own place."""
    return render(request, "components/nav_counts.html")
