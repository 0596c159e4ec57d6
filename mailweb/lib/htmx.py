"""One view, one template, whole or part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.http import reswap, retarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpResponse

    from mailweb.lib.http import Request


def render_page(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    partials: frozenset[str] = frozenset(),
    status: int = 200,
) -> HttpResponse:
    """Render `template`, or the partial of it that htmx named as its target.

    A partial's name is the `id` of its root element, so `HX-Target` says which one to
    send. `partials` lists those the view has context for. Any other request gets the whole
    page, which htmx is told to put into the body. `is_part` tells the template which of the two it
    is: only beside a part it may send what belongs elsewhere on the page (`hx-swap-oob`).
    """
    htmx = request.htmx
    swaps = bool(htmx) and not htmx.boosted and not htmx.history_restore_request
    if swaps and htmx.target in partials:
        part = {**context, "is_part": True}
        response = render(request, f"{template}#{htmx.target}", part, status=status)
    else:
        response = render(request, template, {**context, "is_part": False}, status=status)
        if swaps:
            retarget(reswap(response, "innerHTML"), "body")
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response
