"""The send-security dashboard: what an account's mail has shown about other servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget, trigger_client_event

from accounts import access, selectors
from accounts.dashboard.domain import domain_page
from accounts.dashboard.export import as_csv, as_json
from accounts.dashboard.overview import overview
from accounts.dashboard.table import Query, table
from accounts.forms import PledgeForm
from accounts.names import display_domain, parse_domain
from accounts.redirects import next_url
from delivery import services as delivery
from mailweb.lib.errors import UserError
from mailweb.lib.htmx import render_page

if TYPE_CHECKING:
    from mailweb.lib.http import UserRequest


@login_required
@require_safe
def security(request: UserRequest) -> HttpResponse:
    """The overview; each part can be asked for alone, and costs only its own queries."""
    owner_id, now = request.user.pk, timezone.now()
    query = Query.from_request(request.GET)
    return render_page(
        request,
        "accounts/security.html",
        {
            "overview": SimpleLazyObject(lambda: overview(owner_id=owner_id, now=now)),
            "table": SimpleLazyObject(
                lambda: table(owner_id=owner_id, query=query, page=request.GET.get("page"), now=now)
            ),
        },
        partials=frozenset({"overview", "domains"}),
    )


@login_required
@require_safe
def security_export(request: UserRequest, form: str) -> HttpResponse:
    """The table as a file, searched and sorted as on the page."""
    now, query = timezone.now(), Query.from_request(request.GET)
    make, content_type = {"csv": (as_csv, "text/csv"), "json": (as_json, "application/json")}[form]
    body = make(owner_id=request.user.pk, query=query, now=now)
    name = f"mailweb-domains-{now:%Y-%m-%d}.{form}"
    return HttpResponse(
        body,
        content_type=f"{content_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@login_required
@require_safe
def security_domain(request: UserRequest, domain: str) -> HttpResponse:
    """Everything about one domain."""
    name = access.domain_for(request.user, domain)
    owner_id, now = request.user.pk, timezone.now()
    all_attempts = request.GET.get("attempts") == "all"
    form = PledgeForm(initial={"target": name})
    return render_page(
        request,
        "accounts/security_domain.html",
        {
            "domain": name,
            "here": f"{request.path}?attempts=all" if all_attempts else request.path,
            "page": domain_page(owner_id=owner_id, domain=name, all_attempts=all_attempts, now=now),
            "kind_rows": form.rows_of("kind"),
            "pledges": SimpleLazyObject(lambda: selectors.pledges_about(request.user, name)),
        },
        partials=frozenset({"evidence"}),
    )


@login_required
@require_POST
def check_domain(request: UserRequest) -> HttpResponse:
    """Check now: have the domain's servers visited. Nothing is sent."""
    asked = request.POST.get("domain") or request.GET.get("domain", "")
    try:
        domain = parse_domain(asked)
        delivery.request_probe(owner=request.user, domain=domain, now=timezone.now())
    except UserError as refusal:
        return _refused(request, refusal)
    sentence = f"Asking the servers of {display_domain(domain)}. Nothing is sent."
    if request.htmx:
        return trigger_client_event(_toast(request, sentence), "domain-changed", {"domain": domain})
    messages.info(request, sentence)
    return redirect(next_url(request) or reverse("accounts:security-domain", args=[domain]))


def _refused(request: UserRequest, refusal: UserError) -> HttpResponse:
    """Say why not on the page the question came from."""
    if request.htmx:
        return _toast(request, refusal.sentence, status=422)
    messages.error(request, refusal.sentence)
    return redirect(next_url(request) or "accounts:security")


def _toast(request: UserRequest, sentence: str, status: int = 200) -> HttpResponse:
    """Return one toast, which htmx puts below those that are there."""
    response = render(request, "components/toast.html", {"text": sentence}, status=status)
    return retarget(reswap(response, "beforeend"), "#toasts")
