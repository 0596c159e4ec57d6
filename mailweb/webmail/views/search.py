"""Search in one's own mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_required
from django.utils import timezone
from django.views.decorators.http import require_safe

from mailweb.lib.htmx import render_page
from mailweb.webmail import selectors

if TYPE_CHECKING:
    from django.http import HttpResponse

    from mailweb.lib.http import UserRequest


@login_required
@require_safe
def search(request: UserRequest) -> HttpResponse:
    """Show the messages that have all words of `?q=`."""
    query = request.GET.get("q", "")
    found = selectors.found(request.user, query, now=timezone.now())
    return render_page(
        request,
        "webmail/search.html",
        {"found": found, "query": query},
        partials=frozenset({"results"}),
    )
