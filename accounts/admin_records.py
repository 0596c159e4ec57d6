"""What belongs to accounts, for operators: rules for sending, pledges, sessions of browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.utils import timezone

from accounts import services
from accounts.admin_kinds import KeptAdmin, ReadOnlyAdmin, actor_of
from accounts.browsers import browser_name
from accounts.models import BrowserSession, Pledge, SendPreferences

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import BaseModelForm
    from django.http import HttpRequest


@admin.register(SendPreferences)
class SendPreferencesAdmin(KeptAdmin):
    """Each account's rules for sending; people change their own, operators how long mail waits."""

    list_display = (
        "user",
        "default_mode",
        "allows_plain_text",
        "accepts_pkix",
        "on_broken_tls",
        "lifetime_hours",
    )
    fields = (
        "user",
        "lifetime_hours",
        "default_mode",
        "allows_plain_text",
        "accepts_pkix",
        "on_broken_tls",
        "undo_seconds",
        "signature",
    )
    readonly_fields = tuple(name for name in fields if name != "lifetime_hours")
    list_filter = ("default_mode", "allows_plain_text", "accepts_pkix", "on_broken_tls")
    search_fields = ("user__username",)
    list_select_related = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They are made with the account."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: SendPreferences,
        form: BaseModelForm[SendPreferences],
        change: bool,
    ) -> None:
        """Keep how long mail is tried, and write down who changed it."""
        if "lifetime_hours" in form.changed_data:
            actor = actor_of(request)
            services.save_preferences(preferences=obj, now=timezone.now(), actor=actor)


@admin.register(Pledge)
class PledgeAdmin(ReadOnlyAdmin):
    """What accounts pledged."""

    list_display = ("target", "kind", "user", "created_at")
    list_filter = ("kind",)
    search_fields = ("target", "user__username")
    list_select_related = ("user",)


@admin.register(BrowserSession)
class BrowserSessionAdmin(ReadOnlyAdmin):
    """Who is logged in where."""

    list_display = ("user", "browser", "address", "started_at", "last_seen_at")
    search_fields = ("user__username", "address")
    date_hierarchy = "last_seen_at"
    list_select_related = ("user",)
    exclude = ("session_key",)
    actions = ("end",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Nobody guesses a key, letter by letter, by filters in the address of the page."""
        return not lookup.startswith("session_key") and super().lookup_allowed(
            lookup, value, request
        )

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Ending a session needs the right to delete it."""
        return request.user.has_perm("accounts.delete_browsersession")

    @admin.display(description="Browser")
    def browser(self, session: BrowserSession) -> str:
        """What the browser claims to be."""
        return browser_name(session.user_agent)

    @admin.action(description="Log out there", permissions=["end"])
    def end(self, request: HttpRequest, sessions: QuerySet[BrowserSession]) -> None:
        """End the chosen sessions."""
        chosen = list(sessions.select_related("user"))
        for session in chosen:
            services.end_sessions(user=session.user, only=session.session_key)
            services.record(
                "session ended", now=timezone.now(), actor=actor_of(request), target=session.user
            )
        self.message_user(request, f"{len(chosen)} logged out.", messages.SUCCESS)
