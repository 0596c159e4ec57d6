"""The installation's one log of changes, as delivery writes to it (setting AUDIT_LOG)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts.models import AuditEntry

if TYPE_CHECKING:
    from delivery.audit import Entry


class DatabaseAuditLog:
    """Writes entries beside those of accounts and domains."""

    def write(self, entry: Entry) -> None:
        """Keep the entry, in the current transaction."""
        AuditEntry.objects.create(
            actor_id=entry.actor.user_id,
            by=entry.actor.name[:320],
            action=entry.action[:60],
            target=entry.target[:320],
            touched=entry.touched,
            reason=entry.reason[:500],
            detail=dict(entry.detail),
            at=entry.at,
        )
