"""Who changed what in the queue and its rules: written to the installation's one log.

Delivery does not know where that log is. The setting AUDIT_LOG names the class that keeps it;
entries are written in the transaction of the change they tell of, and never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from mailweb.lib.console import shell_name

if TYPE_CHECKING:
    from django.http import HttpRequest

IDS_KEPT = 200
"""How many ids an entry names; the count tells of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does it: an operator who is logged in, or someone at a shell."""

    name: str
    user_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log. `touched` is how many rows were changed, None where that says nothing."""

    action: str
    actor: Actor
    at: datetime
    target: str = ""
    touched: int | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class AuditLog(Protocol):
    """What the named class offers."""

    def write(self, entry: Entry) -> None:
        """Keep the entry, in the current transaction."""


def write(entry: Entry) -> None:
    """Keep the entry in the installation's log."""
    log = cast("AuditLog", import_string(settings.AUDIT_LOG)())
    log.write(entry)


def operator(request: HttpRequest) -> Actor:
    """Return who asks in the admin."""
    return Actor(name=request.user.get_username(), user_id=request.user.pk)


def shell() -> Actor:
    """Return who runs this command."""
    return Actor(name=f"shell: {shell_name()}")
