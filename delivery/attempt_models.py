"""The ledger: one row for each session, and what it meant for each recipient.

`delivery.models` has these too, for everyone to import from.
"""

from __future__ import annotations

import uuid
from enum import StrEnum

from django.conf import settings
from django.db import models

from delivery.policy.facts import Dnssec, Starttls, StsMode
from delivery.policy.modes import Mode
from delivery.policy.outcome import Scope
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from delivery.policy.transport import RELAYING, Kind
from mailweb.lib.choices import choices_of


class Source(StrEnum):
    """Why a session took place."""

    DELIVERY = "delivery"
    PROBE = "probe"


class AttemptOutcome(StrEnum):
    """How an attempt ended as a whole."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    PROBED = "probed"


class Attempt(models.Model):
    """One session with one host on behalf of one account: the ledger. Only ever added to."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="delivery_attempts",
    )
    message = models.ForeignKey(
        "OutboundMessage",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="attempts",
    )
    source = models.CharField(max_length=10, choices=choices_of(Source), default=Source.DELIVERY)
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(default=0)
    domain = models.CharField(max_length=253)
    mode = models.CharField(max_length=10, choices=choices_of(Mode), default=Mode.DEFAULT)
    mx = models.CharField(max_length=253, blank=True, help_text="Empty: no host was reached.")
    address = models.GenericIPAddressField(null=True, blank=True)
    starttls = models.CharField(max_length=12, choices=choices_of(Starttls), blank=True)
    tls_version = models.CharField(max_length=12, blank=True)
    cipher = models.CharField(max_length=60, blank=True)
    verified_by = models.JSONField(default=list, blank=True)
    certificate = models.JSONField(null=True, blank=True)
    mta_sts_mode = models.CharField(max_length=8, choices=choices_of(StsMode), blank=True)
    mta_sts_id = models.CharField(max_length=32, blank=True)
    dnssec = models.CharField(max_length=10, choices=choices_of(Dnssec), blank=True)
    requiretls_offered = models.BooleanField(default=False)
    requiretls_used = models.BooleanField(default=False)
    signed_by = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Keys that signed (DKIM).",
    )
    reason = models.CharField(max_length=40, choices=choices_of(Reason), blank=True)
    detail = models.TextField(blank=True)
    stopped_by = models.CharField(max_length=8, choices=choices_of(Mechanism), blank=True)
    scope = models.CharField(max_length=10, choices=choices_of(Scope), blank=True)
    code = models.PositiveSmallIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, blank=True)
    reply = models.TextField(blank=True)
    outcome = models.CharField(max_length=10, choices=choices_of(AttemptOutcome))
    transcript = models.TextField(blank=True, help_text="Commands and replies, never content.")
    transport = models.CharField(
        max_length=60, blank=True, default="", db_default="", help_text="Empty: direct to MX."
    )
    transport_kind = models.CharField(
        max_length=12, choices=choices_of(Kind), blank=True, default="", db_default=""
    )
    mechanism = models.CharField(
        max_length=24, blank=True, default="", db_default="", help_text="By which it logged in."
    )

    class Meta:
        ordering = ("-at", "-id")
        indexes = [
            models.Index(fields=["owner", "domain", "-at"], name="attempt_by_owner_domain"),
            models.Index(fields=["domain", "-at"], name="attempt_by_domain"),
            models.Index(fields=["-at"], name="attempt_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.mx or self.domain} at {self.at:%Y-%m-%d %H:%M}: {self.outcome}"

    @property
    def is_first_hop(self) -> bool:
        """Whether it was with a relay, so that it says nothing about the recipient's domain."""
        return self.transport_kind in RELAYING


class RecipientAttempt(models.Model):
    """What one attempt meant for one recipient: each has its own reply."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="results")
    recipient = models.ForeignKey("Recipient", on_delete=models.CASCADE, related_name="history")
    outcome = models.CharField(max_length=10, choices=choices_of(AttemptOutcome))
    scope = models.CharField(max_length=10, choices=choices_of(Scope), blank=True)
    code = models.PositiveSmallIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, blank=True)
    reply = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["attempt", "recipient"], name="recipient_attempt_once")
        ]

    def __str__(self) -> str:
        return f"recipient {self.recipient_id} in attempt {self.attempt_id}: {self.outcome}"
