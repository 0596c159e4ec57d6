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
REASONS_SHOWN = 5

AREAS = (
    (
        "Queue",
        {
            "delivery.recipient": "Queue",
            "delivery.destinationhealth": "Hosts in trouble",
            "delivery.attempt": "Attempts",
            "delivery.outboundmessage": "Messages",
        },
    ),
    ("Ways out", {"delivery.transport": "Transports", "delivery.route": "Routes"}),
    (
        "Rules",
        {
            "delivery.holdrule": "Hold rules",
            "delivery.suppression": "Suppressed addresses",
            "delivery.sendinglimits": "Sending limits",
            "delivery.webhook": "Webhooks",
        },
    ),
    (
        "Accounts and domains",
        {
            "accounts.user": "Accounts",
            "accounts.sendpreferences": "Rules for sending",
            "accounts.pledge": "Pledges",
            "accounts.domain": "Domains",
            "accounts.dkimkey": "DKIM keys",
            "webmail.mailbox": "Mailboxes",
        },
    ),
    (
        "Recipient domains",
        {
            "delivery.domainevidence": "Evidence",
            "delivery.domainlookup": "Look-ups",
            "delivery.stspolicy": "MTA-STS policies",
            "delivery.publishedpolicy": "Published policies",
        },
    ),
    (
        "Who did what",
        {
            "accounts.auditentry": "Log of changes",
            "accounts.browsersession": "Browser sessions",
            "axes.accesslog": "Log-ins",
            "axes.accessfailurelog": "Failed log-ins",
            "axes.accessattempt": "Locked log-ins",
        },
    ),
)
"""What there is, as operators look for it; a list that is not named here comes last."""


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
            context |= {
                "depths": depths,
                "concerns": concerns(now=timezone.now()),
                "reasons": depths.kinds[:REASONS_SHOWN],
            }
        if request.user.has_perm("accounts.view_auditentry"):
            context["changes"] = accounts.latest_changes(LATEST_CHANGES)
        return super().index(request, context)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return what the reader may see, by what it is for and not by the app it belongs to."""
        apps = super().get_app_list(request, app_label)
        return apps if app_label else _by_area(apps)


def _by_area(apps: list[Any]) -> list[Any]:
    """Gather the lists of all apps into areas; areas without any are left out."""
    rest = {model["model"]._meta.label_lower: model for app in apps for model in app["models"]}
    areas = [
        {
            "name": name,
            "models": [
                rest.pop(key) | {"name": words} for key, words in lists.items() if key in rest
            ],
        }
        for name, lists in AREAS
    ]
    areas.append({"name": "Other", "models": list(rest.values())})
    return [area for area in areas if area["models"]]
