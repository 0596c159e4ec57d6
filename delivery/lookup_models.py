"""What domains publish: the latest look-up, checks asked for, the policies held, their history.

`delivery.models` has these too, for everyone to import from.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from delivery.policy.facts import StsMode
from delivery.policy.published import PolicyKind, PublishedMode
from delivery.policy.reasons import Reason
from mailweb.lib.choices import choices_of


class DomainLookup(models.Model):
    """The latest look-up of a domain (MX, DNSSEC, MTA-STS, DANE), shared by all accounts."""

    domain = models.CharField(max_length=253, unique=True)
    facts = models.JSONField(default=dict, blank=True, help_text="A stored DomainFacts.")
    started_at = models.DateTimeField(help_text="When the latest look-up began.")
    looked_up_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ("domain",)

    def __str__(self) -> str:
        return f"look-up of {self.domain}"


class StsPolicy(models.Model):
    """The MTA-STS policy held for a domain (RFC 8461 §3.3), or the pause after a failed fetch."""

    domain = models.CharField(max_length=253, unique=True)
    policy_id = models.CharField(max_length=32, blank=True)
    mode = models.CharField(max_length=8, choices=choices_of(StsMode))
    mx = models.JSONField(default=list, blank=True)
    text = models.TextField(blank=True)
    fetched_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    retry_at = models.DateTimeField(null=True, blank=True, help_text="No fetch before this.")
    reason = models.CharField(max_length=40, choices=choices_of(Reason), blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ("domain",)
        verbose_name = "MTA-STS policy"
        verbose_name_plural = "MTA-STS policies"

    def __str__(self) -> str:
        return f"{self.domain}: {self.mode}"


class PublishedPolicy(models.Model):
    """One text of a policy, for as long as a domain published it. Rows are added, and ended once.

    A policy that comes back is a row of its own. For what is still published, `last_seen_at` is
    the last time it was noted; the latest look-up may be newer.
    """

    domain = models.CharField(max_length=253)
    kind = models.CharField(max_length=8, choices=choices_of(PolicyKind))
    host = models.CharField(max_length=253, blank=True, help_text="Whose TLSA records; else empty.")
    mode = models.CharField(max_length=8, choices=choices_of(PublishedMode))
    content = models.TextField(help_text="The policy's text, or TLSA records, one a line.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(
        null=True, blank=True, help_text="When a look-up first did not find it any more."
    )

    class Meta:
        ordering = ("domain", "kind", "host", "-first_seen_at")
        verbose_name_plural = "published policies"
        constraints = [
            models.UniqueConstraint(
                fields=["domain", "kind", "host"],
                condition=Q(gone_at__isnull=True),
                name="published_once",
            ),
        ]
        indexes = [
            models.Index(fields=["domain", "-first_seen_at"], name="published_by_domain"),
            models.Index(
                fields=["kind", "gone_at"],
                condition=Q(gone_at__isnull=False),
                name="published_lost",
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.kind} of {self.host or self.domain}, first seen {self.first_seen_at:%Y-%m-%d}"
        )


class ProbeRequest(models.Model):
    """A "Check now" of an account: the reason probes can be limited and answered once."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="probe_requests"
    )
    domain = models.CharField(max_length=253)
    requested_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-requested_at",)
        indexes = [models.Index(fields=["owner", "-requested_at"], name="probe_by_owner")]

    def __str__(self) -> str:
        return f"check of {self.domain}"
