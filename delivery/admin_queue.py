"""The queue for operators: what waits and why, one copy with its timeline, and orders for many.

No content and no subject is shown. Settled history is only looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from delivery import routes, selectors
from delivery.admin_filters import (
    AccountFilter,
    AgeFilter,
    AttemptsFilter,
    HostFilter,
    RecipientDomainFilter,
    SenderDomainFilter,
    StateFilter,
    TransportFilter,
    WhyFilter,
    depths_of,
)
from delivery.admin_kinds import ReadOnlyAdmin, first_line, moment, tag
from delivery.admin_orders import ACTIONS
from delivery.models import DUE_STATES, Recipient, State
from delivery.orders import VERBS
from delivery.policy.routing import Question

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

TONES = {
    State.HELD: "warn",
    State.WAITING: "warn",
    State.FAILED: "bad",
    State.DELIVERED: "yes",
    State.SENDING: "accent",
}


def _way_of(copy: Recipient) -> str:
    """Return by which way a copy would leave now, and why, in a sentence."""
    now = timezone.now()
    asked = Question(
        account=copy.owner_id,
        sender_domain=routes.sender_domain(copy.message.mail_from),
        recipient_domain=copy.domain,
        attempts_made=copy.attempts_made,
        asked=copy.transport,
    )
    return routes.table(now=now).decide(asked, now=now).because


class RecipientAdmin(ReadOnlyAdmin):
    """One row a copy: where it stands, when it is tried next, and what the server last said."""

    list_display = (
        "to",
        "where",
        "next_try",
        "tries",
        "said",
        "mode",
        "way",
        "sender",
        "handed_over",
    )
    list_filter = (
        StateFilter,
        WhyFilter,
        RecipientDomainFilter,
        HostFilter,
        SenderDomainFilter,
        AccountFilter,
        TransportFilter,
        "mode",
        AgeFilter,
        AttemptsFilter,
    )
    search_fields = ("address", "message__mail_from", "message__message_id")
    search_help_text = "Part of a recipient, a sender, or a Message-ID"
    ordering = ("next_attempt_at", "id")
    list_select_related = ("message", "owner")
    list_max_show_all = 500
    show_facets = admin.ShowFacets.NEVER
    actions = ACTIONS
    actions_on_top = True
    change_list_template = "admin/delivery/queue.html"

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Acting on the queue needs the right to change it."""
        return request.user.has_perm("delivery.change_recipient")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Long texts that the list does not show stay where they are."""
        return super().get_queryset(request).defer("message__sender_policy", "message__subject")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Put the depths on top."""
        depths = depths_of(request)
        context = {"title": "Queue", "depths": depths, "kinds": depths.kinds[:8]}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one copy with its timeline; nothing can be changed but by an order."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return require_safe(self._copy_page)(request, object_id)

    def _copy_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found = selectors.copy_story(int(object_id[:18])) if object_id.isdecimal() else None
        if found is None:
            messages.warning(request, f"There is no copy {object_id[:20]}.")
            return redirect("admin:delivery_recipient_changelist")
        copy = found.copy
        verbs = [verb for verb in VERBS.values() if copy.state in verb.states]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": copy.address,
            "story": found,
            "copy": copy,
            "state": self.where(copy),
            "way": _way_of(copy) if copy.is_open else "",
            "verbs": verbs if self.has_operate_permission(request) else [],
            "orders_url": reverse("admin:delivery_recipient_changelist"),
        }
        return TemplateResponse(request, "admin/delivery/copy.html", context)

    @admin.display(description="recipient", ordering="address")
    def to(self, copy: Recipient) -> str:
        """Where it goes."""
        return copy.address

    @admin.display(description="state", ordering="state")
    def where(self, copy: Recipient) -> SafeString:
        """Its state as a word with a colour."""
        return tag(copy.state.capitalize(), TONES.get(State(copy.state), ""))

    @admin.display(description="next try", ordering="next_attempt_at")
    def next_try(self, copy: Recipient) -> SafeString | str:
        """When it is tried next; nothing while it is held, sent or settled."""
        return moment(copy.next_attempt_at if copy.state in DUE_STATES else None)

    @admin.display(description="tries", ordering="attempts_made")
    def tries(self, copy: Recipient) -> int:
        """How often it was tried."""
        return copy.attempts_made

    @admin.display(description="why")
    def said(self, copy: Recipient) -> str:
        """What holds it, or what was said last."""
        if copy.state == State.HELD:
            return copy.hold_reason
        return first_line(copy.last_reply) or "–"

    @admin.display(description="transport", ordering="transport")
    def way(self, copy: Recipient) -> str:
        """The way out that is set for it."""
        return copy.transport or "–"

    @admin.display(description="sender", ordering="message__mail_from")
    def sender(self, copy: Recipient) -> str:
        """Who sent it."""
        return copy.message.mail_from or "<>"

    @admin.display(description="handed over", ordering="message__queued_at")
    def handed_over(self, copy: Recipient) -> SafeString | str:
        """When it came into the queue."""
        return moment(copy.message.queued_at)
