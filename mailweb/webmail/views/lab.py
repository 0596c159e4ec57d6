"""The demo's own internet: what its hosts accepted, and whom to write to. In demo mode only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_GET

from mailweb.lib.htmx import render_page
from mailweb.webmail import lab_mail

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse

    from mailweb.lib.http import UserRequest


def _only_in_demo() -> None:
    if not settings.DEMO:
        raise Http404


@login_required
@require_GET
def lab(request: UserRequest) -> HttpResponse:
    """Show what was accepted, newest first, and every address to try."""
    _only_in_demo()
    context = {"mails": lab_mail.accepted(), "neighbourhoods": lab_mail.neighbourhoods()}
    return render_page(request, "webmail/lab.html", context, partials=frozenset({"lab-mails"}))


@login_required
@require_GET
def lab_message(request: UserRequest, key: UUID) -> HttpResponse:
    """Show one accepted message as it came over the wire."""
    _only_in_demo()
    mail = lab_mail.message(key)
    if mail is None:
        raise Http404
    return render(request, "webmail/lab_message.html", {"mail": mail})
