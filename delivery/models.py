"""The queue of record and the evidence.

A *message* has *recipients*; each try for a host is an *attempt*; its result is an
*outcome*; what TLS showed is *evidence*. Attempts are only ever added.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from delivery.attempt_models import Attempt as Attempt
from delivery.attempt_models import AttemptOutcome as AttemptOutcome
from delivery.attempt_models import RecipientAttempt as RecipientAttempt
from delivery.attempt_models import Source as Source
from delivery.evidence_models import DomainEvidence as DomainEvidence
from delivery.fleet_models import DestinationHealth as DestinationHealth
from delivery.fleet_models import Duty as Duty
from delivery.fleet_models import HealthState as HealthState
from delivery.fleet_models import Worker as Worker
from delivery.lookup_models import DomainLookup as DomainLookup
from delivery.lookup_models import ProbeRequest as ProbeRequest
from delivery.lookup_models import PublishedPolicy as PublishedPolicy
from delivery.lookup_models import StsPolicy as StsPolicy
from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.promise import IfWorse
from delivery.policy.reasons import Reason
from delivery.policy.verdict import Way
from delivery.rule_models import HoldKind as HoldKind
from delivery.rule_models import HoldRule as HoldRule
from delivery.rule_models import KnownAddress as KnownAddress
from delivery.rule_models import SendingLimits as SendingLimits
from delivery.rule_models import Suppression as Suppression
from delivery.smtp import Ret
from delivery.transport_models import Route as Route
from delivery.transport_models import Transport as Transport
from delivery.transport_models import TransportToken as TransportToken
from delivery.webhook_models import Webhook as Webhook
from delivery.webhook_models import WebhookCall as WebhookCall
from mailweb.lib import among as among  # makes the lookup known
from mailweb.lib.choices import choices_of


class State(StrEnum):
    """Where a recipient's copy stands."""

    SCHEDULED = "scheduled"
    """Leaves at `next_attempt_at`: sent later, or within its undo window."""

    HELD = "held"
    QUEUED = "queued"
    SENDING = "sending"
    WAITING = "waiting"
    """For a retry, at `next_attempt_at`."""

    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (State.SCHEDULED, State.HELD, State.QUEUED, State.SENDING, State.WAITING)
DUE_STATES = (State.SCHEDULED, State.QUEUED, State.WAITING)
SETTLED_STATES = (State.DELIVERED, State.FAILED, State.CANCELLED)


class OutboundMessage(models.Model):
    """A message handed over for delivery. Accepted means: never lost."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="outbound_messages",
    )
    mail_from = models.CharField(max_length=320, blank=True, help_text="Empty for bounces.")
    message_id = models.CharField(max_length=998, blank=True)
    subject = models.CharField(max_length=998, blank=True)
    size_bytes = models.PositiveBigIntegerField()
    has_8bit = models.BooleanField(default=False)
    needs_smtputf8 = models.BooleanField(default=False)
    sender_policy = models.JSONField(default=dict, help_text="The account's rules at hand-over.")
    queued_at = models.DateTimeField(default=timezone.now)
    undo_until = models.DateTimeField(null=True, blank=True, help_text="While Undo is shown.")
    release_at = models.DateTimeField(
        null=True, blank=True, help_text="When its sender asked for it to leave (RFC 4865)."
    )
    expires_at = models.DateTimeField(help_text="Then what is still open fails.")
    ret = models.CharField(
        max_length=4,
        choices=choices_of(Ret),
        blank=True,
        default="",
        db_default="",
        help_text="How much of it a report returns (RFC 3461 §4.3). Empty: not said.",
    )
    envid = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="What its sender calls it in reports (ENVID).",
    )

    class Meta:
        ordering = ("-queued_at", "-id")
        indexes = [models.Index(fields=["owner", "-queued_at"], name="outbound_by_owner")]

    def __str__(self) -> str:
        return f"message {self.pk} from {self.mail_from or '<>'}"


class Content(models.Model):
    """The bytes of a message, kept apart so that lists stay light; gone once all is settled."""

    message = models.OneToOneField(
        OutboundMessage, on_delete=models.CASCADE, primary_key=True, related_name="content"
    )
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"content of message {self.message_id}"


class RecipientQuerySet(models.QuerySet["Recipient"]):
    """Named filters of the queue."""

    def due(self, now: datetime) -> RecipientQuerySet:
        """Copies that may leave now, the longest due first."""
        return self.filter(state__in=DUE_STATES, next_attempt_at__lte=now).order_by(
            "next_attempt_at", "id"
        )

    def open(self) -> RecipientQuerySet:
        """Copies to which something will still happen."""
        return self.filter(state__in=OPEN_STATES)

    def keeping_content(self) -> RecipientQuerySet:
        """Copies that may still need the message's bytes: open, or failed and not put away."""
        return self.filter(Q(state__in=OPEN_STATES) | Q(state=State.FAILED, is_dismissed=False))

    def abandoned(self, now: datetime) -> RecipientQuerySet:
        """Copies whose worker has not been heard of since its lease ran out."""
        return self.filter(state=State.SENDING, lease_until__lt=now)


class Recipient(models.Model):
    """One recipient's copy: its mode, its place in the queue, how it ended."""

    message = models.ForeignKey(
        OutboundMessage, on_delete=models.CASCADE, related_name="recipients"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The message's, kept here as well so that claims can be shared out fairly.",
    )
    address = models.CharField(max_length=320)
    domain = models.CharField(max_length=253, help_text="Lower case, as A-labels.")
    mode = models.CharField(max_length=10, choices=choices_of(Mode), default=Mode.DEFAULT)
    pledge = models.CharField(max_length=10, choices=choices_of(PledgeKind), blank=True)
    state = models.CharField(max_length=10, choices=choices_of(State), default=State.QUEUED)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True, help_text="The worker that holds it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts_made = models.PositiveIntegerField(default=0)
    last_attempt = models.ForeignKey(
        "Attempt", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    transport = models.CharField(
        max_length=60, blank=True, help_text="Given by an operator. Empty: as routes say."
    )
    code = models.PositiveSmallIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, blank=True)
    last_reply = models.TextField(blank=True)
    explanation = models.TextField(blank=True, help_text="The outcome as a sentence for people.")
    reason = models.CharField(max_length=40, choices=choices_of(Reason), blank=True)
    promised = models.CharField(
        max_length=8,
        choices=choices_of(Way),
        blank=True,
        default="",
        db_default="",
        help_text="How it was to travel, as foreseen when it was handed over.",
    )
    if_worse = models.CharField(
        max_length=4,
        choices=choices_of(IfWorse),
        blank=True,
        default="",
        db_default="",
        help_text="What becomes of it if that has got worse; empty: it is not judged again.",
    )
    hold_reason = models.CharField(max_length=300, blank=True)
    held_at = models.DateTimeField(null=True, blank=True)
    asks_sender = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Held because it would travel worse than promised.",
    )
    held_by = models.ForeignKey(
        HoldRule, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    passes_holds = models.BooleanField(
        default=False, db_default=False, help_text="An operator let it go in spite of hold rules."
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    is_dismissed = models.BooleanField(
        default=False, help_text="Failed, and its sender needs no decision any more."
    )
    notice_due = models.BooleanField(
        default=False, help_text="The sender has yet to be told how it ended."
    )
    notify = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="NOTIFY of RFC 3461 §4.1. Empty: not said.",
    )
    orcpt = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="The address its sender wrote, with its type (ORCPT).",
    )
    delay_notice_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on a wait is told, once. Empty: not any more."
    )

    objects = RecipientQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["message", "address"], name="recipient_once"),
            models.CheckConstraint(
                condition=Q(state=State.SENDING, lease__isnull=False, lease_until__isnull=False)
                | (~Q(state=State.SENDING) & Q(lease__isnull=True)),
                name="recipient_lease_while_sending",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=DUE_STATES) | Q(next_attempt_at__isnull=False),
                name="recipient_due_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=SETTLED_STATES) ^ Q(settled_at__isnull=True),
                name="recipient_settled_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at", "id", "domain", "owner"],
                name="recipient_due",
                condition=Q(state__in=DUE_STATES),
            ),
            models.Index(
                fields=["lease_until"], name="recipient_leased", condition=Q(state=State.SENDING)
            ),
            models.Index(fields=["domain", "state"], name="recipient_by_domain"),
            models.Index(fields=["id"], name="recipient_notice_due", condition=Q(notice_due=True)),
            models.Index(
                fields=["delay_notice_at"],
                name="recipient_delay_due",
                condition=Q(state=State.WAITING, delay_notice_at__isnull=False),
            ),
            models.Index(fields=["state", "next_attempt_at"], name="recipient_by_state"),
            models.Index(
                fields=["held_by"], name="recipient_held_by", condition=Q(held_by__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address} ({self.state})"

    @property
    def is_open(self) -> bool:
        """Whether something will still happen to this copy."""
        return self.state in OPEN_STATES

    @property
    def order(self) -> Order:
        """What is demanded for this copy; needs the message."""
        return Order(
            mode=Mode(self.mode),
            pledge=PledgeKind(self.pledge) if self.pledge else None,
            sender=SenderPolicy.from_json(self.message.sender_policy),
        )

    @property
    def server_reply(self) -> str:
        """The last reply if a server spoke; empty where it is our own sentence with a code."""
        is_ours = bool(self.explanation) and self.last_reply.endswith(self.explanation)
        return "" if is_ours else self.last_reply
