"""Hosts that are left alone: since when, why, when they are probed, and what waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from delivery import audit, destinations
from delivery.admin_kinds import ReadOnlyAdmin, copies, first_line, moment, tag
from delivery.models import DestinationHealth, HealthState
from delivery.selectors.destinations import waiting_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    ListOfChanges = ChangeList
else:
    from django.contrib.admin.views.main import ChangeList as ListOfChanges


class DestinationList(ListOfChanges):
    """Brings along what waits for the hosts of one page, in two queries."""

    def get_results(self, request: HttpRequest) -> None:
        """Count for the rows that are shown."""
        super().get_results(request)
        self.result_list: Iterable[DestinationHealth] = list(self.result_list)
        depths = waiting_for({row.host for row in self.result_list})
        for row in self.result_list:
            row.depth = depths[row.host]  # type: ignore[attr-defined]


class DestinationHealthAdmin(ReadOnlyAdmin):
    """One row an address of a host in trouble; a host without a row is tried as usual."""

    list_display = (
        "host",
        "address",
        "where",
        "failures",
        "since_when",
        "next_probe",
        "waiting",
        "said",
        "worker",
    )
    list_filter = ("state",)
    search_fields = ("host", "address", "last_reply")
    search_help_text = "Part of a host, an address, or a reply"
    ordering = ("-failures", "host", "address")
    actions = ("try_now",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Trying a host is an order to the queue."""
        return request.user.has_perm("delivery.change_recipient")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ListOfChanges]:
        """Use the list that counts what waits."""
        return DestinationList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Say what the list is, and is not."""
        title = "Hosts in trouble; all others are tried as usual"
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    @admin.display(description="state", ordering="state")
    def where(self, row: DestinationHealth) -> SafeString:
        """Left alone, or being tried by one session."""
        is_resting = row.state == HealthState.RESTING
        return tag("Left alone", "warn") if is_resting else tag("Being probed", "accent")

    @admin.display(description="since", ordering="since")
    def since_when(self, row: DestinationHealth) -> SafeString | str:
        """When it came into trouble."""
        return moment(row.since)

    @admin.display(description="next probe", ordering="next_probe_at")
    def next_probe(self, row: DestinationHealth) -> SafeString | str:
        """When one session finds out."""
        return moment(row.next_probe_at)

    @admin.display(description="waiting")
    def waiting(self, row: Any) -> SafeString | str:
        """How many copies wait for its domains."""
        if not row.depth:
            return "–"
        url = reverse("admin:delivery_recipient_changelist")
        return format_html('<a href="{}?host={}">{}</a>', url, row.host, row.depth)

    @admin.display(description="last reply")
    def said(self, row: DestinationHealth) -> str:
        """What it did, and the reason."""
        return first_line(f"{row.trouble}: {row.last_reply}" if row.last_reply else row.trouble)

    @admin.action(description="Try now, with all that waits for it", permissions=["operate"])
    def try_now(self, request: HttpRequest, queryset: QuerySet[DestinationHealth]) -> None:
        """Try the hosts that were ticked."""
        rows = list(queryset)
        kicked = destinations.try_now(rows, by=audit.operator(request), now=timezone.now())
        hosts = "1 host is" if len(rows) == 1 else f"{len(rows)} hosts are"
        messages.success(request, f"{hosts} tried again; {copies(kicked, 'leave')} now.")
