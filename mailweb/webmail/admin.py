"""Mailboxes for operators: who has which, how many messages, and whether the counts are right.

Rule: no subject, address or word of anybody's mail is shown here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Count, Max, Q, Sum

from mailweb.webmail import services
from mailweb.webmail.models import Mailbox

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(Mailbox)
class MailboxAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Diagnosis only; the one action mends counters that do not match their messages."""

    list_display = ("user", "name", "role", "total", "unseen", "counted", "stored", "latest")
    list_filter = ("role",)
    search_fields = ("user__username", "user__addresses__local_part")
    ordering = ("user__username", "position")
    list_select_related = ("user",)
    list_per_page = 50
    fields = ("user", "name", "slug", "role", "total", "unseen", "uid_validity", "uid_next")
    readonly_fields = fields
    actions = ("count_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mailbox]:
        """Add what the messages themselves say."""
        boxes: QuerySet[Mailbox] = super().get_queryset(request)
        return boxes.annotate(
            real_total=Count("messages"),
            real_unseen=Count("messages", filter=Q(messages__is_seen=False)),
            real_bytes=Sum("messages__size_bytes", default=0),
            latest_at=Max("messages__received_at"),
        )

    @admin.display(description="counts are right", boolean=True)
    def counted(self, box: Any) -> bool:
        """Tell whether the stored counters match."""
        return (box.total, box.unseen) == (box.real_total, box.real_unseen)

    @admin.display(description="stored", ordering="real_bytes")
    def stored(self, box: Any) -> str:
        """Return how much room the messages take."""
        return f"{box.real_bytes / 1_000_000:.1f} MB"

    @admin.display(description="latest message", ordering="latest_at")
    def latest(self, box: Any) -> Any:
        """Return when the latest message came."""
        return box.latest_at

    @admin.action(description="Count the messages of these mailboxes again", permissions=["view"])
    def count_again(self, request: HttpRequest, queryset: QuerySet[Mailbox]) -> None:
        """Set the counters of the chosen mailboxes to what the messages say."""
        mended = services.count_again(queryset.values_list("pk", flat=True))
        self.message_user(request, f"{mended} mailboxes mended.", messages.SUCCESS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: mailboxes are made by their users."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Mailbox | None = None) -> bool:
        """Refuse: counters follow the messages."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Mailbox | None = None) -> bool:
        """Refuse: nobody's mail is thrown away from here."""
        return False
