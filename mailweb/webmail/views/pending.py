"""Pages whose views land next; until then they do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from django.http import Http404

if TYPE_CHECKING:
    from mailweb.lib.http import Request


def pending(request: Request, **kwargs: object) -> NoReturn:
    """Answer that there is no such page."""
    raise Http404
