"""The account's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings as site
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts import access, selectors, services
from accounts.forms import NewPasswordForm, PledgeForm, ProfileForm, SendingForm, refuse
from accounts.redirects import next_url
from delivery.policy.modes import PledgeKind
from mailweb.lib.errors import UserError
from mailweb.lib.htmx import render_page

if TYPE_CHECKING:
    from django.http import HttpResponse

    from mailweb.lib.http import Request, UserRequest

A_YEAR = 365 * 24 * 3600
LOOKS = {"theme": ("system", "light", "dark"), "density": ("normal", "compact", "roomy")}


def done(request: Request, sentence: str, url_name: str) -> HttpResponse:
    """Say what was done and show the page anew, or the page the form was on."""
    messages.success(request, sentence)
    url = next_url(request) or reverse(url_name)
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: UserRequest) -> HttpResponse:
    """Name and default address; how Mailweb looks on this device."""
    addresses = [str(each) for each in selectors.addresses_of(request.user)]
    initial = {"name": request.user.name, "address": addresses[0] if addresses else ""}
    form = ProfileForm(request.POST or None, initial=initial, addresses=addresses)
    if request.method == "POST" and form.is_valid():
        services.save_profile(
            user=request.user,
            name=form.cleaned_data["name"],
            address=form.cleaned_data.get("address", ""),
            now=timezone.now(),
        )
        return done(request, "Profile saved.", "accounts:settings")
    looks = {name: request.COOKIES.get(name, values[0]) for name, values in LOOKS.items()}
    return render_page(
        request,
        "accounts/settings.html",
        {"form": form, "place": "profile", "looks": looks},
        partials=frozenset({"profile-form"}),
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def appearance(request: UserRequest) -> HttpResponse:
    """Keep how Mailweb looks on this device: what the page's script does at once."""
    response = done(request, "Saved for this device.", "accounts:settings")
    for name, values in LOOKS.items():
        value = request.POST.get(name)
        if value in values:
            response.set_cookie(
                name, value, max_age=A_YEAR, samesite="Lax", secure=site.SESSION_COOKIE_SECURE
            )
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def sending(request: UserRequest) -> HttpResponse:
    """Show and change the account's rules for sending."""
    form = SendingForm(request.POST or None, instance=selectors.preferences_of(request.user))
    if request.method == "POST" and form.is_valid():
        services.save_preferences(preferences=form.save(commit=False), now=timezone.now())
        return done(request, "Rules for sending saved.", "accounts:settings-sending")
    return render_page(
        request,
        "accounts/settings_sending.html",
        {
            "form": form,
            "place": "sending",
            "mode_rows": form.rows_of("default_mode"),
            "broken_rows": form.rows_of("on_broken_tls"),
            "limit_rows": selectors.limit_rows(request.user, now=timezone.now()),
        },
        partials=frozenset({"sending-form"}),
        status=422 if form.errors else 200,
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pledges(request: UserRequest) -> HttpResponse:
    """List the pledges, and make one more."""
    form = PledgeForm(request.POST or None, initial={"target": request.GET.get("for", "")})
    if request.method == "POST" and form.is_valid():
        try:
            made = services.make_pledge(
                user=request.user,
                target=form.cleaned_data["target"],
                kind=PledgeKind(form.cleaned_data["kind"]),
                now=timezone.now(),
            )
        except UserError as refusal:
            refuse(form, refusal)
        else:
            return done(request, f"Pledge about {made.target} kept.", "accounts:settings-pledges")
    return render_page(
        request,
        "accounts/settings_pledges.html",
        {
            "form": form,
            "place": "pledges",
            "kind_rows": form.rows_of("kind"),
            "pledges": selectors.pledge_rows(request.user),
        },
        partials=frozenset({"pledge-form"}),
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def withdraw_pledge(request: UserRequest, pk: int) -> HttpResponse:
    """Take one pledge back."""
    pledge = access.pledge_for(request.user, pk)
    services.withdraw_pledge(pledge=pledge, now=timezone.now())
    sentence = f"Pledge about {pledge.target} withdrawn."
    return done(request, sentence, "accounts:settings-pledges")


@login_required
@require_safe
def sessions(request: UserRequest) -> HttpResponse:
    """List the browsers in which the account is logged in."""
    rows = selectors.session_rows(
        request.user, this=request.session.session_key or "", now=timezone.now()
    )
    return render_page(
        request,
        "accounts/settings_sessions.html",
        {"place": "sessions", "sessions": rows, "has_others": any(not r.is_this for r in rows)},
    )


@login_required
@require_POST
def end_session(request: UserRequest, pk: int) -> HttpResponse:
    """Log out in one browser."""
    session = access.browser_session_for(request.user, pk)
    services.end_sessions(user=request.user, only=session.session_key)
    return done(request, "Logged out there.", "accounts:settings-sessions")


@login_required
@require_POST
def end_other_sessions(request: UserRequest) -> HttpResponse:
    """Log out everywhere but here."""
    services.end_sessions(user=request.user, keep=request.session.session_key or "")
    return done(request, "Logged out everywhere else.", "accounts:settings-sessions")


@sensitive_post_parameters("old_password", "new_password1", "new_password2")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: UserRequest) -> HttpResponse:
    """Change the password; every other browser is logged out."""
    form = NewPasswordForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        before = request.session.session_key or ""
        services.set_password(
            user=request.user,
            password=form.cleaned_data["new_password1"],
            actor=request.user,
            keep_session=before,
            now=timezone.now(),
        )
        auth.update_session_auth_hash(request, request.user)
        services.follow_session(before=before, after=request.session.session_key or "")
        sentence = "Password changed. Other browsers are logged out."
        return done(request, sentence, "accounts:settings-password")
    return render_page(
        request,
        "accounts/settings_password.html",
        {"form": form, "place": "password"},
        partials=frozenset({"password-form"}),
        status=422 if form.errors else 200,
    )
