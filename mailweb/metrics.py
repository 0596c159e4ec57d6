"""The state of the queue for a monitoring system, in the text format of Prometheus."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse, HttpResponseForbidden
from django.utils import timezone
from django.views.decorators.http import require_safe

from delivery import selectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

LOOPBACK = {"127.0.0.1", "::1"}
RECENT = timedelta(hours=1)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer this machine, or whoever has the token: numbers, never names."""
    if not _may_ask(request):
        return HttpResponseForbidden("For this machine, or with METRICS_TOKEN.\n")
    text = "".join(f"{line}\n" for line in _lines())
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")


def _may_ask(request: HttpRequest) -> bool:
    expected, given = settings.METRICS_TOKEN, request.headers.get("Authorization", "")
    if expected and hmac.compare_digest(given.encode(), f"Bearer {expected}".encode()):
        return True
    return request.META.get("REMOTE_ADDR") in LOOPBACK


def _lines() -> Iterator[str]:
    now = timezone.now()
    states = selectors.queue_stats(now=now)["by_state"]
    yield from _gauge("queue_copies", "Copies that are not settled.")
    for state, row in states.items():
        yield f'mailweb_queue_copies{{state="{state}"}} {row["depth"]}'
    yield from _gauge("queue_oldest_seconds", "Age of the oldest of them.")
    for state, row in states.items():
        yield f'mailweb_queue_oldest_seconds{{state="{state}"}} {row["oldest_seconds"]}'
    yield from _gauge("sessions_last_hour", "Sessions with other mail servers, by how they ended.")
    for outcome, number in selectors.outcomes_since(now - RECENT).items():
        yield f'mailweb_sessions_last_hour{{outcome="{outcome}"}} {number}'


def _gauge(name: str, meaning: str) -> tuple[str, str]:
    return f"# HELP mailweb_{name} {meaning}", f"# TYPE mailweb_{name} gauge"
