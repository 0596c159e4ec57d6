"""The log of changes: looked at, searched, never touched."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin_kinds import ReadOnlyAdmin
from accounts.models import AuditEntry
from delivery.admin_kinds import moment

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    AnyFilter = admin.SimpleListFilter
else:
    AnyFilter = admin.SimpleListFilter

_PERIODS = {"day": (1, "Last 24 hours"), "week": (7, "Last 7 days"), "month": (30, "Last 30 days")}


class WhenFilter(AnyFilter):
    """How far back."""

    title = "time"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the periods."""
        return [(key, words) for key, (_, words) in _PERIODS.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        """Keep what is not older."""
        if self.value() not in _PERIODS:
            return queryset
        days = _PERIODS[str(self.value())][0]
        return queryset.filter(at__gte=timezone.now() - timedelta(days=days))


class AuditEntryAdmin(ReadOnlyAdmin):
    """Who changed what, how many, and why."""

    list_display = ("time", "who", "action", "what", "touched", "reason")
    list_filter = (WhenFilter, "action")
    search_fields = ("by", "target", "reason", "action")
    search_help_text = "Who, what, or why"
    list_select_related = ("actor",)
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = readonly_fields = ("at", "who", "action", "target", "touched", "reason", "more")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Say what the list is."""
        title = {"title": "Log of changes"}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @admin.display(description="at", ordering="at")
    def time(self, entry: AuditEntry) -> SafeString | str:
        """When, by the reader's clock."""
        return moment(entry.at)

    @admin.display(description="who", ordering="by")
    def who(self, entry: AuditEntry) -> str:
        """An operator, or someone at a shell."""
        return entry.by or (entry.actor.username if entry.actor else "command line")

    @admin.display(description="what", ordering="target")
    def what(self, entry: AuditEntry) -> str:
        """The target, short."""
        return entry.target if len(entry.target) <= 100 else f"{entry.target[:99]}…"

    @admin.display(description="detail")
    def more(self, entry: AuditEntry) -> SafeString:
        """Filters, ids and values as they were kept."""
        text = json.dumps(entry.detail, indent=2, ensure_ascii=False)
        return format_html('<pre class="kept">{}</pre>', text)
