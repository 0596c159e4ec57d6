"""What of the accounts gets old."""

from __future__ import annotations

from accounts.models import AuditEntry
from delivery.pruning import Kind

KINDS = (
    Kind(
        name="audit",
        setting="KEEP_AUDIT_DAYS",
        older=lambda before: AuditEntry.objects.filter(at__lt=before),
    ),
)
