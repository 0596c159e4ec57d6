"""Numbers for Prometheus: what the processes of this machine counted, and the state of the queue.

Asked for at `/metrics` of the web process, or where METRICS_LISTEN says (`metrics_listener`): for
this machine, or with METRICS_TOKEN. Numbers and our own words, never names.
"""

from __future__ import annotations

import hmac
import ipaddress
import threading
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpResponse, HttpResponseForbidden
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

import delivery.metrics  # noqa: F401  # declares what is shown
from delivery import selectors
from delivery.models import OPEN_STATES
from delivery.policy.reasons import Reason
from mailweb.lib import meter_files, meters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.http import HttpRequest
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUEUE_HOLDS_SECONDS = 5.0
NO_REASON = "none"
FORWARDED = frozenset({"x-forwarded-for", "x-real-ip", "forwarded", "via"})
"""What proxies put on a request that is not theirs."""

QUEUE_FAMILIES = {
    "mailweb_queue_copies": ("state", "reason"),
    "mailweb_queue_oldest_seconds": ("state", "reason"),
    "mailweb_queue_overdue_seconds": (),
    "mailweb_queue_readable": (),
    "mailweb_transports": ("state",),
    "mailweb_webhook_calls_waiting": (),
    "mailweb_build_info": ("version",),
}


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer this machine, or whoever has the token."""
    address = asker(request.META.get("REMOTE_ADDR", ""), request.headers)
    if not may_ask(address, request.headers.get("Authorization", "")):
        return HttpResponseForbidden("For this machine, or with METRICS_TOKEN.\n")
    return HttpResponse(exposition(), content_type=CONTENT_TYPE)


def asker(address: str, headers: Iterable[str]) -> str:
    """Return who asks; nobody we know if a proxy asks for somebody else.

    What a proxy hands on comes from its own address, which may be this machine's, and its word
    about the client may be the client's own.
    """
    is_handed_on = any(name.lower() in FORWARDED for name in headers)
    return "" if is_handed_on else address


def may_ask(address: str, authorization: str) -> bool:
    """Return whether somebody at `address` may see the numbers."""
    expected = settings.METRICS_TOKEN
    if expected and hmac.compare_digest(authorization.encode(), f"Bearer {expected}".encode()):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def exposition() -> bytes:
    """Return everything, in the text format of Prometheus."""
    _begin()
    registry = CollectorRegistry()
    registry.register(_Counted())
    registry.register(_queue)
    return generate_latest(registry)


_begun = threading.Event()


def _begin() -> None:
    """Let every series exist, at zero."""
    if not _begun.is_set():
        meters.begin()
        _begun.set()


class _Counted:
    """What the processes of this machine have counted, those included that have ended."""

    def collect(self) -> Iterable[Metric]:
        with meter_files.locked(meters.FOLDER):
            files = meter_files.add_up_the_past(meters.FOLDER)
            return list(MultiProcessCollector.merge(files))

    def describe(self) -> Iterable[Metric]:
        return []


class _Queue:
    """The state of the queue, read from the database at most every few seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Metric] = []
        self._until = 0.0

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._kept = list(_queue_now())
                self._until = time.monotonic() + QUEUE_HOLDS_SECONDS
            return self._kept

    def describe(self) -> Iterable[Metric]:
        return []

    def forget(self) -> None:
        """Read anew when asked the next time."""
        self._until = 0.0


_queue = _Queue()


def _queue_now() -> Iterator[Metric]:
    yield _gauge("mailweb_build_info", "This version.", {(settings.VERSION,): 1})
    try:
        yield from _waiting()
        readable = 1
    except DatabaseError:
        readable = 0
    yield _gauge("mailweb_queue_readable", "Whether the database answered.", {(): readable})


def _waiting() -> Iterator[Metric]:
    now = timezone.now()
    waiting, overdue = selectors.waiting_copies(), selectors.most_overdue(now)
    reasons = [reason.value or NO_REASON for reason in Reason]
    none: dict[tuple[str, ...], float] = {
        (state.value, reason): 0.0 for state in OPEN_STATES for reason in reasons
    }
    copies, oldest = dict(none), dict(none)
    for row in waiting:
        key = row.state, row.reason or NO_REASON
        copies[key] = row.copies
        oldest[key] = max(0.0, (now - row.oldest_at).total_seconds())
    late = max(0.0, (now - overdue).total_seconds()) if overdue else 0.0
    yield _gauge("mailweb_queue_copies", "Copies that are not settled.", copies)
    yield _gauge("mailweb_queue_oldest_seconds", "Age of the oldest of them.", oldest)
    yield _gauge("mailweb_queue_overdue_seconds", "How long ago one should have left.", {(): late})
    transports = selectors.transports_by_state()
    told: dict[tuple[str, ...], float] = {(state,): number for state, number in transports.items()}
    yield _gauge("mailweb_transports", "Ways out that operators have set up.", told)
    calls = selectors.webhook_calls_waiting()
    yield _gauge("mailweb_webhook_calls_waiting", "Calls still to be made.", {(): calls})


def _gauge(name: str, meaning: str, numbers: dict[tuple[str, ...], float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=QUEUE_FAMILIES[name])
    for words, number in numbers.items():
        family.add_metric(words, number)
    return family
