"""The context processor behind base.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.functional import SimpleLazyObject

from mailweb.webmail import selectors

if TYPE_CHECKING:
    from django.http import HttpRequest


def navigation(request: HttpRequest) -> dict[str, object]:
    """Give `nav` to every template. It costs nothing until a template looks at it."""
    return {"nav": SimpleLazyObject(lambda: _navigation(request))}


def _navigation(request: HttpRequest) -> selectors.Navigation:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return selectors.NOWHERE
    return selectors.navigation(user, path=request.path)
