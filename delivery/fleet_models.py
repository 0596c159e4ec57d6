"""What workers tell each other: that they are there, which hosts are left alone, who does what.

`delivery.models` has these too, for everyone to import from.
"""

from __future__ import annotations

import uuid
from enum import StrEnum

from django.db import models

from mailweb.lib.choices import choices_of


class Worker(models.Model):
    """A process that works the queue off. The others see by `beats` that it lives, not by a clock."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=300, help_text="Machine and process number.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    beats = models.PositiveBigIntegerField(default=0, help_text="One more about every second.")
    is_at_work = models.BooleanField(default=True, db_index=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class HealthState(StrEnum):
    """What happens to a host that is in trouble."""

    RESTING = "resting"
    """No session before `next_probe_at`."""

    PROBING = "probing"
    """One session finds out; if it is not heard of until `probing_until`, another one does."""


class DestinationHealth(models.Model):
    """One address of a mail host that is left alone; the row goes once it has answered again."""

    host = models.CharField(max_length=253)
    address = models.GenericIPAddressField()
    state = models.CharField(
        max_length=8, choices=choices_of(HealthState), default=HealthState.RESTING
    )
    failures = models.PositiveIntegerField(help_text="In a row, as the worker saw them.")
    pauses = models.PositiveIntegerField(help_text="How often it was left alone in a row.")
    trouble = models.CharField(max_length=60, help_text="What it did, as part of a sentence.")
    last_reply = models.TextField(blank=True, help_text="Why the last session came to nothing.")
    next_probe_at = models.DateTimeField()
    probing_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=300, help_text="Who wrote this down last.")
    since = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("host", "address")
        verbose_name_plural = "destination health"
        constraints = [
            models.UniqueConstraint(fields=["host", "address"], name="health_once"),
        ]

    def __str__(self) -> str:
        return f"{self.host} [{self.address}], {self.state}"


class Duty(models.Model):
    """Something that one process at a time does now and then, however many clocks call for it."""

    name = models.CharField(max_length=60, unique=True)
    begun_at = models.DateTimeField()
    next_at = models.DateTimeField(help_text="Nobody begins it again before this.")

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "duties"

    def __str__(self) -> str:
        return self.name
