"""Webhooks: where an account wants to hear of its mail, and every call that was or will be made."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from mailweb.lib.choices import choices_of


class Event(StrEnum):
    """What happened to one copy."""

    DELIVERED = "delivered"
    DELAYED = "delayed"
    """A try failed, and another one will follow."""

    HELD = "held"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TEST = "test"
    """Nothing: somebody pressed the button."""


class CallState(StrEnum):
    """Where a call stands."""

    PENDING = "pending"
    CALLING = "calling"
    DONE = "done"
    GIVEN_UP = "given up"


class Webhook(models.Model):
    """An address of an account's own that is told of what becomes of its mail."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.CharField(max_length=500)
    sealed_secret = models.BinaryField()
    events = models.JSONField(default=list, help_text="Which events; empty: all of them.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    failing_since = models.DateTimeField(null=True, blank=True)
    resting_until = models.DateTimeField(
        null=True, blank=True, help_text="It failed just now; nothing is called before."
    )
    stopped_because = models.CharField(max_length=300, blank=True)
    dropped = models.PositiveIntegerField(
        default=0, help_text="Events not kept because too many were waiting."
    )

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=["owner", "url"], name="webhook_once")]

    def __str__(self) -> str:
        return f"webhook {self.pk} of {self.owner_id}"

    def wants(self, event: Event) -> bool:
        """Whether it is to be told of `event`."""
        return event is Event.TEST or not self.events or event in self.events


class CallQuerySet(models.QuerySet["WebhookCall"]):
    """Named filters of the calls."""

    def due(self, now: datetime) -> CallQuerySet:
        """Calls that may be made now, the oldest first; none for accounts that are disabled."""
        resting = Q(webhook__resting_until__gt=now)
        return (
            self.filter(state=CallState.PENDING, next_try_at__lte=now, webhook__is_active=True)
            .filter(webhook__owner__is_active=True)
            .exclude(resting)
            .order_by("next_try_at", "id")
        )


class WebhookCall(models.Model):
    """One event for one webhook: what is said, and how that went."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="calls")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event = models.CharField(max_length=10, choices=choices_of(Event))
    body = models.TextField(help_text="The JSON document, the same in each try.")
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(
        max_length=10, choices=choices_of(CallState), default=CallState.PENDING
    )
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.CharField(max_length=600, blank=True, help_text="How the last try went.")
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = CallQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="webhook_call_due",
                condition=Q(state=CallState.PENDING),
            ),
            models.Index(
                fields=["lease_until"],
                name="webhook_call_leased",
                condition=Q(state=CallState.CALLING),
            ),
            models.Index(fields=["webhook", "state", "-id"], name="webhook_call_of"),
            models.Index(fields=["finished_at"], name="webhook_call_finished"),
        ]

    def __str__(self) -> str:
        return f"{self.event} for webhook {self.webhook_id}: {self.state}"
