"""The queue and the evidence for operators: diagnosis first, history read-only.

Every change goes through delivery.operations, after a page that says how many copies it
would touch. No content and no subject is shown.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone

from delivery import admin_rules as admin_rules
from delivery.admin_destinations import DestinationHealthAdmin
from delivery.admin_kinds import BoundedPaginator, ReadOnlyAdmin, first_line, moment, tag
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
    from django.http import HttpRequest
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

    list_display = (
        "time",
        "domain",
        "mx",
        "starttls",
        "tls_version",
        "proofs",
        "requiretls_used",
        "transport",
        "reason",
        "ended",
        "said",
    )
    list_filter = (
        RecentFilter,
        "outcome",
        "source",
        "starttls",
        "reason",
        "dnssec",
        "mta_sts_mode",
    )
    search_fields = ("domain", "mx", "address", "reply")
    search_help_text = "Part of a domain, a host, an address, or a reply"
    paginator = BoundedPaginator
    raw_id_fields = ("message", "owner")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Transcripts stay out of the list."""
        return super().get_queryset(request).defer("transcript", "detail", "certificate")

    @admin.display(description="at", ordering="at")
    def time(self, attempt: Attempt) -> SafeString | str:
        """When it began."""
        return moment(attempt.at)

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
