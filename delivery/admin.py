"""The queue and the evidence for operators: diagnosis first, history read-only.

Every change goes through delivery.operations, after a page that says how many copies it
would touch. No content and no subject is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.template.response import TemplateResponse
from django.utils import timezone

from delivery import operations
from delivery.models import (
    Attempt,
    DomainEvidence,
    DomainLookup,
    OutboundMessage,
    PublishedPolicy,
    Recipient,
    RecipientAttempt,
    StsPolicy,
)

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse

Action = Callable[["RecipientAdmin", "HttpRequest", "QuerySet[Recipient]"], "HttpResponse | None"]


class _ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that are looked at, never added, changed or deleted by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds history."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes history here; retention is a command."""
        return False


class _HistoryInline(admin.TabularInline):  # type: ignore[type-arg]
    model = RecipientAttempt
    fields = readonly_fields = ("attempt", "outcome", "scope", "code", "enhanced", "reply")
    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody adds history."""
        return False


_VERBS = {
    "kick": "Try now",
    "hold": "Hold",
    "release": "Release",
    "fail": "Fail, and tell the sender",
    "drop": "Drop, and tell nobody",
}


def _action(name: str, verb: str) -> Action:
    """Return an admin action that asks first, with the number of copies it would touch."""

    @admin.action(description=verb, permissions=["operate"])
    def act(
        modeladmin: RecipientAdmin, request: HttpRequest, queryset: QuerySet[Recipient]
    ) -> HttpResponse | None:
        filters = operations.Filters(ids=tuple(queryset.values_list("pk", flat=True)))
        now = timezone.now()
        if "confirmed" in request.POST:
            touched = operations.act(
                name, filters, now=now, reason=request.POST.get("reason", "")[:300]
            )
            messages.success(request, f"{verb}: {len(touched)} copies.")
            return None
        return TemplateResponse(
            request,
            "admin/delivery/confirm.html",
            {
                **modeladmin.admin_site.each_context(request),
                "title": verb,
                "verb": verb,
                "action": name,
                "picked": filters.ids,
                "touched": len(operations.preview(name, filters, now=now)),
                "asks_reason": name == "hold",
            },
        )

    act.__name__ = name
    return act


@admin.register(Recipient)
class RecipientAdmin(_ReadOnly):
    """One row a copy: where it stands and what the server last said."""

    list_display = (
        "address",
        "state",
        "mode",
        "owner",
        "attempts_made",
        "next_attempt_at",
        "reply",
        "queued_at",
    )
    list_filter = ("state", "mode", "reason", "transport")
    search_fields = ("address", "domain", "message__mail_from", "message__message_id")
    search_help_text = "Recipient, domain, sender, or Message-ID"
    list_select_related = ("message", "owner")
    list_per_page = 50
    show_full_result_count = False
    inlines = (_HistoryInline,)
    actions = tuple(_action(name, verb) for name, verb in _VERBS.items())

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Acting on the queue needs the right to change it."""
        return request.user.has_perm("delivery.change_recipient")

    @admin.display(ordering="message__queued_at")
    def queued_at(self, copy: Recipient) -> object:
        """When it was handed over."""
        return copy.message.queued_at

    @admin.display(description="last reply")
    def reply(self, copy: Recipient) -> str:
        """The first line of it."""
        return copy.last_reply.partition("\n")[0][:100]


class _CopiesInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Recipient
    fields = readonly_fields = ("address", "state", "mode", "attempts_made", "last_reply")
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Copies are made by sending."""
        return False


@admin.register(OutboundMessage)
class OutboundMessageAdmin(_ReadOnly):
    """A message with its copies; no subject, no content."""

    list_display = ("uuid", "owner", "mail_from", "size_bytes", "queued_at", "expires_at")
    search_fields = ("uuid", "mail_from", "message_id", "owner__username")
    list_select_related = ("owner",)
    date_hierarchy = "queued_at"
    exclude = ("subject", "sender_policy")
    inlines = (_CopiesInline,)


@admin.register(Attempt)
class AttemptAdmin(_ReadOnly):
    """The ledger."""

    list_display = (
        "at",
        "domain",
        "mx",
        "starttls",
        "tls_version",
        "proofs",
        "requiretls_used",
        "reason",
        "outcome",
    )
    list_filter = ("outcome", "source", "starttls", "reason", "dnssec", "mta_sts_mode")
    search_fields = ("domain", "mx", "address", "reply")
    list_per_page = 50
    show_full_result_count = False
    date_hierarchy = "at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Transcripts stay out of the list."""
        return super().get_queryset(request).defer("transcript", "detail")

    @admin.display(description="verified by")
    def proofs(self, attempt: Attempt) -> str:
        """What proved the server."""
        return ", ".join(attempt.verified_by) or "–"


@admin.register(DomainEvidence)
class DomainEvidenceAdmin(_ReadOnly):
    """What each account's attempts say about a domain."""

    list_display = (
        "domain",
        "owner",
        "starttls_state",
        "requiretls_state",
        "deliveries",
        "verified_deliveries",
        "stopped_by",
        "last_seen_at",
    )
    list_filter = ("starttls_state", "requiretls_state", "stopped_by")
    search_fields = ("domain", "owner__username")
    list_select_related = ("owner",)


@admin.register(DomainLookup)
class DomainLookupAdmin(_ReadOnly):
    """The latest look-up of each domain."""

    list_display = ("domain", "looked_up_at", "expires_at")
    search_fields = ("domain",)


@admin.register(StsPolicy)
class StsPolicyAdmin(_ReadOnly):
    """The MTA-STS policies that are held."""

    list_display = ("domain", "mode", "policy_id", "fetched_at", "expires_at", "reason")
    list_filter = ("mode", "reason")
    search_fields = ("domain",)


@admin.register(PublishedPolicy)
class PublishedPolicyAdmin(_ReadOnly):
    """What domains published, from the first to the last time it was seen."""

    list_display = ("domain", "kind", "host", "mode", "first_seen_at", "last_seen_at", "gone_at")
    list_filter = ("kind", "mode")
    search_fields = ("domain",)
