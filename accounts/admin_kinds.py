"""How far the admin may go with rows: most are kept, many are only looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html

from accounts.models import User

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    AnyAdmin = admin.ModelAdmin[Any]
else:
    AnyAdmin = admin.ModelAdmin

SHORT = 90


class KeptAdmin(AnyAdmin):
    """Rows that are never deleted here."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted, neither one by one nor in bulk."""
        return False


class ReadOnlyAdmin(KeptAdmin):
    """Rows to look at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They come about elsewhere."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """They are only looked at."""
        return False


def actor_of(request: HttpRequest) -> User:
    """Return the operator who asks."""
    assert isinstance(request.user, User)  # noqa: S101  # the admin lets nobody else in
    return request.user


def to_copy(text: str) -> SafeString:
    """Return a text as it is copied from a page: long ones in a box of their own."""
    if len(text) <= SHORT:
        return format_html("<code>{}</code>", text)
    return format_html(
        '<textarea class="vLargeTextField" rows="{}" readonly>{}</textarea>',
        3 + len(text) // 80,
        text,
    )
