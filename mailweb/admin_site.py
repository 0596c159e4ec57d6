"""The operators' pages: Django's admin, whose first page starts with what needs attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone

from accounts import selectors as accounts
from delivery.admin_attention import concerns
from delivery.selectors.depths import queue_depths

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.template.response import TemplateResponse

LATEST_CHANGES = 8


class OperatorsSite(admin.AdminSite):
    """What needs attention first, then the latest changes, then everything there is."""

    site_header = site_title = "Mailweb"
    index_title = "Operators"
    index_template = "admin/operators.html"
    enable_nav_sidebar = False

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the first page, as far as its reader may see what it tells of."""
        context = dict(extra_context or {})
        if request.user.has_perm("delivery.view_recipient"):
            depths = queue_depths()
            context |= {"depths": depths, "concerns": concerns(depths, now=timezone.now())}
        if request.user.has_perm("accounts.view_auditentry"):
            context["changes"] = accounts.latest_changes(LATEST_CHANGES)
        return super().index(request, context)
