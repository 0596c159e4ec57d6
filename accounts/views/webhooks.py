"""Webhooks in the settings. A secret is shown once, on the answer that made it, and never kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access
from accounts.forms import WebhookForm, refuse
from delivery.webhook_models import Event
from delivery.webhooks import selectors, services
from mailweb.lib.errors import UserError
from mailweb.lib.htmx import render_page

if TYPE_CHECKING:
    from django.http import HttpResponse

    from mailweb.lib.http import UserRequest

PAGE = "accounts:settings-webhooks"


def _page(
    request: UserRequest, form: WebhookForm, *, secret: str = "", secret_of: str = ""
) -> HttpResponse:
    return render_page(
        request,
        "accounts/settings_webhooks.html",
        {
            "form": form,
            "place": "webhooks",
            "webhooks": selectors.rows_of(request.user),
            "secret": secret,
            "secret_of": secret_of,
        },
        status=422 if form.errors else 200,
    )


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: UserRequest) -> HttpResponse:
    """List the webhooks, and make one more."""
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = services.add(
                owner=request.user,
                url=form.cleaned_data["url"],
                events=[Event(value) for value in form.cleaned_data["events"]],
                now=timezone.now(),
            )
        except UserError as refusal:
            refuse(form, refusal)
        else:
            return _page(request, WebhookForm(), secret=secret, secret_of=made.url)
    return _page(request, form)


@never_cache
@login_required
@require_POST
def renew_webhook_secret(request: UserRequest, pk: int) -> HttpResponse:
    """Give one webhook another secret, and show it."""
    webhook = access.webhook_for(request.user, pk)
    secret = services.renew_secret(webhook=webhook)
    return _page(request, WebhookForm(), secret=secret, secret_of=webhook.url)


@login_required
@require_POST
def test_webhook(request: UserRequest, pk: int) -> HttpResponse:
    """Have one webhook called about nothing."""
    webhook = access.webhook_for(request.user, pk)
    services.send_test(webhook=webhook, now=timezone.now())
    messages.success(request, "A test is on its way. Load this page again to see the answer.")
    return redirect(PAGE)


@login_required
@require_POST
def stop_webhook(request: UserRequest, pk: int) -> HttpResponse:
    """Call one webhook no more for now."""
    services.stop(webhook=access.webhook_for(request.user, pk), because="")
    messages.success(request, "Stopped. What happens from now on is not told.")
    return redirect(PAGE)


@login_required
@require_POST
def start_webhook(request: UserRequest, pk: int) -> HttpResponse:
    """Call one webhook again."""
    services.start(webhook=access.webhook_for(request.user, pk), now=timezone.now())
    messages.success(request, "Started. What waited is told now.")
    return redirect(PAGE)


@login_required
@require_POST
def remove_webhook(request: UserRequest, pk: int) -> HttpResponse:
    """Forget one webhook and its calls."""
    services.remove(webhook=access.webhook_for(request.user, pk))
    messages.success(request, "Webhook removed.")
    return redirect(PAGE)


@login_required
@require_POST
def repeat_webhook_call(request: UserRequest, pk: int) -> HttpResponse:
    """Make one finished call again."""
    if services.repeat(call=access.webhook_call_for(request.user, pk), now=timezone.now()):
        messages.success(request, "The call is made again.")
    return redirect(PAGE)
