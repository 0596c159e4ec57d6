"""Logging in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import auth
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import selectors
from accounts.forms import LoginForm
from accounts.redirects import next_url

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from accounts.models import User
    from mailweb.lib.http import Request


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: Request) -> HttpResponse:
    """Show the door, or open it."""
    if request.user.is_authenticated:
        return redirect(_way_on(request, request.user))
    form = LoginForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.get_user()
        auth.login(request, user)
        if not form.cleaned_data["is_kept"]:
            request.session.set_expiry(0)
        return redirect(_way_on(request, user))
    context = {
        "form": form,
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "hostname": settings.MAIL_HOSTNAME,
    }
    return render(request, "accounts/login.html", context, status=422 if form.is_bound else 200)


@never_cache
@require_POST
def logout(request: Request) -> HttpResponse:
    """Log out in this browser."""
    auth.logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """Answer instead of the log-in, once too many of them failed."""
    minutes = max(1, round(settings.AXES_COOLOFF_TIME * 60))
    response = render(request, "accounts/locked_out.html", {"minutes": minutes}, status=429)
    response["Retry-After"] = str(minutes * 60)
    return response


def _way_on(request: Request, user: User) -> str:
    """Return where to go after log-in: `next` if it is ours, else the mail, else the admin."""
    if asked := next_url(request):
        return asked
    if user.is_staff and not selectors.primary_address(user):
        return reverse("admin:index")
    return settings.LOGIN_REDIRECT_URL
