"""What one account's attempts say about each domain it writes to."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism, Seen
from mailweb.lib.choices import choices_of


class DomainEvidence(models.Model):
    """What one account's attempts say about one domain; derived from the ledger."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="domain_evidence"
    )
    domain = models.CharField(max_length=253)
    first_seen_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    last_host = models.CharField(max_length=253, blank=True)
    starttls_state = models.CharField(max_length=8, choices=choices_of(Seen), default=Seen.UNKNOWN)
    starttls_since = models.DateTimeField(null=True, blank=True)
    starttls_seen_at = models.DateTimeField(null=True, blank=True)
    starttls_hits = models.PositiveIntegerField(default=0)
    starttls_sessions = models.PositiveIntegerField(default=0)
    starttls_was_yes = models.BooleanField(default=False)
    starttls_yes_at = models.DateTimeField(null=True, blank=True)
    proven_state = models.CharField(max_length=8, choices=choices_of(Seen), default=Seen.UNKNOWN)
    proven_since = models.DateTimeField(null=True, blank=True)
    proven_seen_at = models.DateTimeField(null=True, blank=True)
    proven_hits = models.PositiveIntegerField(default=0)
    proven_sessions = models.PositiveIntegerField(default=0)
    proven_was_yes = models.BooleanField(default=False)
    proven_yes_at = models.DateTimeField(null=True, blank=True)
    requiretls_state = models.CharField(
        max_length=8, choices=choices_of(Seen), default=Seen.UNKNOWN
    )
    requiretls_since = models.DateTimeField(null=True, blank=True)
    requiretls_seen_at = models.DateTimeField(null=True, blank=True)
    requiretls_hits = models.PositiveIntegerField(default=0)
    requiretls_sessions = models.PositiveIntegerField(default=0)
    requiretls_was_yes = models.BooleanField(default=False)
    requiretls_yes_at = models.DateTimeField(null=True, blank=True)
    deliveries = models.PositiveIntegerField(default=0)
    verified_deliveries = models.PositiveIntegerField(default=0)
    last_delivered_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.CharField(max_length=8, choices=choices_of(Mechanism), blank=True)
    stopped_since = models.DateTimeField(null=True, blank=True)
    stops = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=40, choices=choices_of(Reason), blank=True)
    latest = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="What the last session with each host showed.",
    )

    class Meta:
        ordering = ("domain",)
        verbose_name_plural = "domain evidence"
        constraints = [models.UniqueConstraint(fields=["owner", "domain"], name="evidence_once")]
        indexes = [models.Index(fields=["owner", "-last_seen_at"], name="evidence_recent")]

    def __str__(self) -> str:
        return f"{self.domain} as seen by {self.owner_id}"
