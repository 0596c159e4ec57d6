"""What keeps mail back: hold rules, suppressed addresses, and how much an account may send a day."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from mailweb.lib.choices import choices_of

REASON_LENGTH = 300
HELD_BY_OPERATOR = "The operator of this server holds it."


class HoldKind(StrEnum):
    """Who wants it held."""

    OPERATOR = "operator"
    """Somebody who runs this installation, until the rule is removed or expires."""

    DOMAIN_OFF = "domain_off"
    """The sending domain is switched off; switching it on again removes the rule."""


class HoldRule(models.Model):
    """Copies that stay here while the rule is in force. Every condition that is given must hold."""

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="hold_rules",
        help_text="Whose mail; empty: everybody's.",
    )
    sender_domain = models.CharField(
        max_length=253, blank=True, help_text="Of the envelope sender, as A-labels; empty: any."
    )
    recipient_domain = models.CharField(
        max_length=253, blank=True, help_text="As A-labels, without its subdomains; empty: any."
    )
    is_for_all = models.BooleanField(
        "hold everything", default=False, help_text="Needed when no condition is given."
    )
    kind = models.CharField(
        max_length=10, choices=choices_of(HoldKind), default=HoldKind.OPERATOR, editable=False
    )
    reason = models.CharField(
        max_length=REASON_LENGTH, blank=True, help_text="A sentence; senders read it in the outbox."
    )
    created_by = models.CharField(max_length=320, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Then what only this rule holds leaves; empty: never."
    )

    class Meta:
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(is_for_all=True)
                | Q(account__isnull=False)
                | ~Q(sender_domain="")
                | ~Q(recipient_domain=""),
                name="hold_rule_says_what",
            ),
            models.UniqueConstraint(
                fields=["sender_domain"],
                condition=Q(kind=HoldKind.DOMAIN_OFF),
                name="hold_rule_domain_off_once",
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.pk}: {self.words}"

    @property
    def words(self) -> str:
        """What it holds, for people."""
        parts = [
            f"from the account {self.account}" if self.account_id else "",
            f"from addresses at {self.sender_domain}" if self.sender_domain else "",
            f"to addresses at {self.recipient_domain}" if self.recipient_domain else "",
        ]
        return " ".join(["mail", *filter(None, parts)]) if any(parts) else "all mail"

    @property
    def sentence(self) -> str:
        """Why, for the sender."""
        return self.reason or HELD_BY_OPERATOR

    def matches(self, *, account: int | None, sender_domain: str, recipient_domain: str) -> bool:
        """Whether a copy like this is held; both domains in lower case, as A-labels."""
        return (
            self.account_id in (None, account)
            and self.sender_domain in ("", sender_domain)
            and self.recipient_domain in ("", recipient_domain)
        )


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    """Named filters of the list."""

    def in_force(self, now: datetime) -> SuppressionQuerySet:
        """Entries that keep mail back now; the others only remember how often it was refused."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now))


class Suppression(models.Model):
    """An address that an account writes to no more, for now: its server said it does not exist.

    Once `ends_at` is over, the row only remembers `times`; a delivery to its server removes it, and so does
    `delivery.pruning` when nothing was heard of it for long.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="suppressions"
    )
    address = models.CharField(max_length=320)
    key = models.CharField(max_length=320, editable=False, help_text="The address to compare by.")
    times = models.PositiveSmallIntegerField(
        default=0, help_text="How often it was refused, without a delivery in between."
    )
    is_manual = models.BooleanField(default=False, help_text="Put here by hand.")
    note = models.CharField(max_length=REASON_LENGTH, blank=True)
    code = models.PositiveSmallIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, blank=True)
    reply = models.TextField(blank=True, help_text="What the server said.")
    since = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never by itself.")

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        ordering = ("-since", "-id")
        verbose_name = "suppressed address"
        verbose_name_plural = "suppressed addresses"
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="suppression_once")]

    def __str__(self) -> str:
        return f"{self.address}, suppressed for {self.owner}"


class SendingLimits(models.Model):
    """How much one account may send, where that is not what the settings say. Zero: no limit."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sending_limits"
    )
    recipients_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="In any 24 hours. Empty: as everybody; 0: no limit."
    )
    new_recipients_per_day = models.PositiveIntegerField(
        "first-time recipients per day",
        null=True,
        blank=True,
        help_text="Addresses it never wrote to, in any 24 hours. Empty: as everybody; 0: no limit.",
    )

    class Meta:
        verbose_name_plural = "sending limits"

    def __str__(self) -> str:
        return f"limits of {self.owner}"


class KnownAddress(models.Model):
    """An address that an account has written to: what tells first-time recipients from others."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=320)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(
        null=True, blank=True, help_text="Written to again, to about a month; empty: not."
    )
    was_new = models.BooleanField(default=True, help_text="Counted as a first-time recipient.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="known_address_once")]
        indexes = [
            models.Index(
                fields=["owner", "first_at"],
                name="known_address_new",
                condition=Q(was_new=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.key}, known to {self.owner_id}"
