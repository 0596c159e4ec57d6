"""The account's list of suppressed addresses: see, lift, add."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_required
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, selectors
from accounts.forms import SuppressForm, refuse
from accounts.views.settings import done
from delivery import suppressions
from mailweb.lib.errors import UserError
from mailweb.lib.htmx import render_page

if TYPE_CHECKING:
    from django.http import HttpResponse

    from mailweb.lib.http import UserRequest

PAGE = "accounts:settings-suppressed"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def suppressed(request: UserRequest) -> HttpResponse:
    """List the suppressed addresses, and add one by hand."""
    now = timezone.localtime()
    form = SuppressForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = suppressions.add(
                owner=request.user,
                address=form.cleaned_data["address"],
                note=form.cleaned_data["note"],
                now=now,
            )
        except UserError as refusal:
            refusal.field = refusal.field or "address"
            refuse(form, refusal)
        else:
            return done(request, f"{added.address} is suppressed.", PAGE)
    rows, hidden = selectors.suppressed_rows(request.user, now=now)
    return render_page(
        request,
        "accounts/settings_suppressed.html",
        {"form": form, "place": "suppressed", "rows": rows, "hidden": hidden},
        partials=frozenset({"suppress-form"}),
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def lift_suppression(request: UserRequest, pk: int) -> HttpResponse:
    """Take one address off the list."""
    entry = access.suppression_for(request.user, pk)
    suppressions.lift(owner_id=request.user.pk, address=entry.address, now=timezone.now())
    return done(request, f"{entry.address} can be written to again.", PAGE)
