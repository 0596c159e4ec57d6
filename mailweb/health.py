"""The two questions a supervisor or load balancer asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

if TYPE_CHECKING:
    from django.http import HttpRequest


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process answers. Asks nothing else, so that no outage restarts it."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Say whether pages can be served: the database answers and has this version's tables."""
    state = _database_state()
    status = 200 if state == "ok" else 503
    return JsonResponse({"version": settings.VERSION, "database": state}, status=status)


def _database_state() -> str:
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "unreachable"
    return "migrations are missing" if plan else "ok"
