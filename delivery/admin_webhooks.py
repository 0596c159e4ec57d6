"""Accounts' webhooks for operators: which work, what waits, and a way to stop one.

The path of a URL may be a secret, so only its host is shown, and no call's content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import Count, Q
from django.utils import timezone

from delivery import audit
from delivery.admin_kinds import YES_OR_NO, ReadOnlyAdmin, moment, tag, titled
from delivery.webhook_models import CallState, Webhook
from delivery.webhooks import services, targets

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

BECAUSE = "The operator of this server stopped it."


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Where accounts want to hear of their mail; owners manage their own in their settings."""

    list_display = ("host", "owner", "standing", "since", "waiting", "dropped")
    list_filter = (
        ("is_active", titled("active", YES_OR_NO)),
        ("failing_since", titled("failing", admin.EmptyFieldListFilter)),
    )
    list_select_related = ("owner",)
    search_fields = ("owner__username",)  # not by URL: guesses would find out what is secret
    search_help_text = "Part of an account"
    actions = ("stop",)
    fields = readonly_fields = (
        "host",
        "owner",
        "standing",
        "since",
        "events",
        "created_at",
        "stopped_because",
        "dropped",
        "last_answers",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        """Count with each what waits."""
        pending = Count("calls", filter=Q(calls__state=CallState.PENDING))
        hooks: QuerySet[Webhook] = super().get_queryset(request)
        return hooks.annotate(pending=pending)

    def has_stop_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Stopping one needs the right to change it."""
        return request.user.has_perm("delivery.change_webhook")

    @admin.display(description="host")
    def host(self, hook: Webhook) -> str:
        """Whom it calls."""
        return targets.parse(hook.url).host

    @admin.display(description="state", ordering="is_active")
    def standing(self, hook: Webhook) -> SafeString:
        """Whether it is called, and whether that fails."""
        if not hook.is_active:
            return tag("stopped", "warn")
        return tag("failing", "bad") if hook.failing_since else tag("active")

    @admin.display(description="failing since", ordering="failing_since")
    def since(self, hook: Webhook) -> SafeString | str:
        """Since when no call has worked."""
        return moment(hook.failing_since)

    @admin.display(description="calls that wait", ordering="pending")
    def waiting(self, hook: Webhook) -> int:
        """How many events it has yet to hear of."""
        return int(getattr(hook, "pending", 0))

    @admin.display(description="last answers")
    def last_answers(self, hook: Webhook) -> str:
        """What its calls came to, the latest first."""
        calls = hook.calls.exclude(answer="").defer("body")[:5]
        return "\n".join(f"{one.event}, {one.tries} tries: {one.answer}" for one in calls) or "–"

    @admin.action(description="Stop: call it no more; what waits is kept", permissions=["stop"])
    def stop(self, request: HttpRequest, hooks: QuerySet[Webhook]) -> None:
        """Stop the chosen ones; their owners see why, and can start them again."""
        now, by = timezone.now(), audit.operator(request)
        active = list(hooks.filter(is_active=True).select_related("owner"))
        for hook in active:
            services.stop(webhook=hook, because=BECAUSE)
            detail = {"host": targets.parse(hook.url).host}
            action, target = "webhook stopped", str(hook.owner)
            audit.write(audit.Entry(action=action, actor=by, at=now, target=target, detail=detail))
        stopped = "1 webhook" if len(active) == 1 else f"{len(active)} webhooks"
        messages.success(request, f"{stopped} stopped.")
