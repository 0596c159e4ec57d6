"""The queue and the evidence for operators: diagnosis first, history read-only.

Every change goes through delivery.operations, after a page that says how many copies it
would touch. No content and no subject is shown.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from delivery import admin_rules as admin_rules
from delivery import admin_webhooks as admin_webhooks
from delivery.admin_destinations import DestinationHealthAdmin
from delivery.admin_kinds import (
    CHOICES,
    BoundedPaginator,
    ReadOnlyAdmin,
    first_line,
    moment,
    tag,
    titled,
)
from delivery.admin_queue import RecipientAdmin
from delivery.admin_transports import RouteAdmin, TransportAdmin
from delivery.models import (
    Attempt,
    AttemptOutcome,
    DestinationHealth,
    DomainEvidence,
    DomainLookup,
    OutboundMessage,
    PublishedPolicy,
    Recipient,
    Route,
    StsPolicy,
    Transport,
)

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

admin.site.register(Recipient, RecipientAdmin)
admin.site.register(DestinationHealth, DestinationHealthAdmin)


class RecentFilter(admin.SimpleListFilter):
    """How far back; a ledger grows for months."""

    title = "time"
    parameter_name = "when"
    hours = {"hour": 1, "day": 24, "week": 168, "month": 720}
    fields = {Attempt: "at", OutboundMessage: "queued_at"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the periods."""
        return [(key, f"The last {key}") for key in self.hours]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what is not older."""
        hours = self.hours.get(self.value() or "")
        if hours is None:
            return queryset
        field = self.fields[queryset.model]
        return queryset.filter(**{f"{field}__gte": timezone.now() - timedelta(hours=hours)})


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
class OutboundMessageAdmin(ReadOnlyAdmin):
    """A message with its copies; no subject, no content."""

    list_display = ("uuid", "owner", "mail_from", "size_bytes", "queued_at", "expires_at")
    search_fields = ("uuid", "mail_from", "message_id", "owner__username")
    search_help_text = "Part of an id, a sender, a Message-ID, or an account"
    list_filter = (RecentFilter,)
    list_select_related = ("owner",)
    paginator = BoundedPaginator
    exclude = ("subject", "sender_policy")
    inlines = (_CopiesInline,)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """A filter in the address of the page must not find out what the page does not show."""
        is_hidden = lookup.startswith(("subject", "sender_policy"))
        return not is_hidden and super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """What nobody looks at here stays where it is."""
        return super().get_queryset(request).defer("subject", "sender_policy")


_TONES = {
    AttemptOutcome.DELIVERED: "yes",
    AttemptOutcome.DEFERRED: "warn",
    AttemptOutcome.FAILED: "bad",
}


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """The ledger: one row a session, newest first."""

    list_display = ("time", "domain", "host", "tls", "proofs", "ended", "why", "said")
    list_filter = (
        RecentFilter,
        "outcome",
        ("source", titled("occasion", CHOICES)),
        ("starttls", titled("STARTTLS", CHOICES)),
        "reason",
        ("dnssec", titled("DNSSEC", CHOICES)),
        ("mta_sts_mode", titled("MTA-STS mode", CHOICES)),
    )
    search_fields = ("domain", "mx", "address", "reply")
    search_help_text = "Part of a domain, a host, an address, or a reply"
    paginator = BoundedPaginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Transcripts stay out of the list."""
        return super().get_queryset(request).defer("transcript", "detail", "certificate")

    @admin.display(description="at", ordering="at")
    def time(self, attempt: Attempt) -> SafeString | str:
        """When it began."""
        return moment(attempt.at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one session with everything that is known of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return require_safe(self._session_page)(request, object_id)

    def _session_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        whole = Attempt.objects.select_related("owner", "message")
        found = whole.filter(pk=int(object_id[:18])).first() if object_id.isdecimal() else None
        if found is None:
            messages.warning(request, f"There is no attempt {object_id[:20]}.")
            return redirect("admin:delivery_attempt_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(found),
            "attempt": found,
            "ended": self.ended(found),
            "certificate": json.dumps(found.certificate, indent=2, ensure_ascii=False),
        }
        return TemplateResponse(request, "admin/delivery/attempt.html", context)

    @admin.display(description="host", ordering="mx")
    def host(self, attempt: Attempt) -> str:
        """Who was spoken to, and through which transport."""
        through = f", by {attempt.transport}" if attempt.transport else ""
        return f"{attempt.mx or '–'}{through}"

    @admin.display(description="TLS", ordering="tls_version")
    def tls(self, attempt: Attempt) -> str:
        """What there was of it."""
        if not attempt.tls_version:
            return attempt.get_starttls_display() or "–"
        return f"{attempt.tls_version}{', REQUIRETLS' if attempt.requiretls_used else ''}"

    @admin.display(description="reason", ordering="reason")
    def why(self, attempt: Attempt) -> str:
        """What was wrong with TLS or with a policy, in the words of RFC 8460."""
        return attempt.reason or "–"

    @admin.display(description="verified by")
    def proofs(self, attempt: Attempt) -> str:
        """What proved the server."""
        return ", ".join(attempt.verified_by) or "–"

    @admin.display(description="outcome", ordering="outcome")
    def ended(self, attempt: Attempt) -> SafeString:
        """How it ended."""
        tone = _TONES.get(AttemptOutcome(attempt.outcome), "")
        return tag(attempt.outcome.capitalize(), tone)

    @admin.display(description="reply")
    def said(self, attempt: Attempt) -> str:
        """The first line of what the server said."""
        return first_line(attempt.reply) or "–"


@admin.register(DomainEvidence)
class DomainEvidenceAdmin(ReadOnlyAdmin):
    """What each account's attempts say about a domain."""

    list_display = (
        "domain",
        "owner",
        "starttls",
        "requiretls",
        "deliveries",
        "verified_deliveries",
        "stopped_by",
        "last_seen_at",
    )
    list_filter = (
        ("starttls_state", titled("STARTTLS", CHOICES)),
        ("requiretls_state", titled("REQUIRETLS", CHOICES)),
        "stopped_by",
    )
    search_fields = ("domain", "owner__username")
    search_help_text = "Part of a domain, or of an account"
    list_select_related = ("owner",)

    @admin.display(description="STARTTLS", ordering="starttls_state")
    def starttls(self, row: DomainEvidence) -> str:
        """What the latest sessions showed."""
        return row.starttls_state

    @admin.display(description="REQUIRETLS", ordering="requiretls_state")
    def requiretls(self, row: DomainEvidence) -> str:
        """What the latest sessions announced."""
        return row.requiretls_state


@admin.register(DomainLookup)
class DomainLookupAdmin(ReadOnlyAdmin):
    """The latest look-up of each domain."""

    list_display = ("domain", "looked_up_at", "expires_at")
    search_fields = ("domain",)


@admin.register(StsPolicy)
class StsPolicyAdmin(ReadOnlyAdmin):
    """The MTA-STS policies that are held."""

    list_display = ("domain", "mode", "policy_id", "fetched_at", "expires_at", "reason")
    list_filter = ("mode", "reason")
    search_fields = ("domain",)


@admin.register(PublishedPolicy)
class PublishedPolicyAdmin(ReadOnlyAdmin):
    """What domains published, from the first to the last time it was seen."""

    list_display = ("domain", "kind", "host", "mode", "first_seen_at", "last_seen_at", "gone_at")
    list_filter = ("kind", "mode")
    search_fields = ("domain",)


admin.site.register(Transport, TransportAdmin)
admin.site.register(Route, RouteAdmin)
