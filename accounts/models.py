"""Users, the domains and addresses of this installation, and each account's rules for sending."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.posture.dkim import KEEP_RECORD_FOR, KeyState, record_for
from accounts.posture.records import Record
from delivery.dkim import Algorithm
from delivery.policy.modes import BrokenTls, Mode, PledgeKind, SenderPolicy
from delivery.policy.retry import LONGEST_LIFETIME_HOURS
from mailweb.lib.choices import choices_of


class UserManager(BaseUserManager["User"]):
    """Creates users; names are compared without regard to case."""

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> User:
        """Create a user who can log in as `username`: an address, or a plain name for operators."""
        user = self.model(username=username.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> User:
        """Create an operator with every permission."""
        return self.create_user(username, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        """Find by name, whatever its case."""
        return self.get(username=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """Someone who can log in: an account with mail, or an operator without."""

    username = models.CharField("log-in", max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("operator", default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "username"

    class Meta:
        ordering = ("username",)

    def __str__(self) -> str:
        return self.username

    @property
    def display_name(self) -> str:
        """The name people see, or the part of the log-in before the @."""
        return self.name or self.username.split("@", 1)[0]


class Domain(models.Model):
    """A mail domain that this installation receives and sends for."""

    name = models.CharField(max_length=253, unique=True, help_text="Lower case, as A-labels.")
    is_active = models.BooleanField(default=True)
    sending_stopped_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since then its mail is kept here."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class DkimKey(models.Model):
    """A key that signs the mail of a domain. Its private half is sealed (accounts.dkim)."""

    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="dkim_keys")
    selector = models.CharField(max_length=63)
    algorithm = models.CharField(max_length=7, choices=choices_of(Algorithm))
    public_key = models.BinaryField(help_text="As the record has it.")
    sealed_key = models.BinaryField(help_text="The private key; empty once it signs no more.")
    state = models.CharField(
        max_length=9, choices=choices_of(KeyState), default=KeyState.PLANNED, db_index=True
    )
    created_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    finding = models.CharField(max_length=200, blank=True, help_text="What DNS said then.")

    class Meta:
        ordering = ("domain__name", "-created_at", "-id")
        verbose_name = "DKIM key"
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_selector_once"),
            models.UniqueConstraint(
                fields=["domain", "algorithm"],
                condition=models.Q(state=KeyState.ACTIVE),
                name="dkim_one_active",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=(KeyState.RETIRING, KeyState.GONE))
                | models.Q(sealed_key=b""),
                name="dkim_forgotten_after_use",
            ),
        ]

    def __str__(self) -> str:
        return f"Key {self.selector} of {self.domain.name}"

    @property
    def record(self) -> Record:
        """The record to publish."""
        return record_for(
            domain=self.domain.name,
            selector=self.selector,
            algorithm=Algorithm(self.algorithm),
            public=bytes(self.public_key),
        )

    @property
    def record_needed_until(self) -> datetime | None:
        """Until when the record of a key that signs no more must stay; None for all others."""
        if self.state != KeyState.RETIRING or self.retired_at is None:
            return None
        return self.retired_at + KEEP_RECORD_FOR


class Address(models.Model):
    """An address that belongs to a user; mail to it is filed in that user's mailboxes."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="addresses")
    local_part = models.CharField(max_length=64)
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="addresses")
    is_primary = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-is_primary", "id")
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(Lower("local_part"), "domain", name="address_once"),
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(is_primary=True), name="address_one_primary"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain.name}"


class SendPreferences(models.Model):
    """An account's rules for sending. Frozen into each message when it is handed over."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="send_preferences")
    allows_plain_text = models.BooleanField(default=True)
    accepts_pkix = models.BooleanField(
        default=False,
        help_text="Verified also accepts a trusted certificate for an MX name found over insecure DNS.",
    )
    on_broken_tls = models.CharField(
        max_length=10, choices=choices_of(BrokenTls), default=BrokenTls.ASK
    )
    default_mode = models.CharField(max_length=10, choices=choices_of(Mode), default=Mode.DEFAULT)
    undo_seconds = models.PositiveSmallIntegerField(default=10, validators=[MaxValueValidator(60)])
    lifetime_hours = models.PositiveSmallIntegerField(
        "hours mail is tried",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_LIFETIME_HOURS)],
        help_text="How long mail that waits is tried before it fails. Empty: as for everybody.",
    )
    signature = models.TextField(blank=True, max_length=4000)

    class Meta:
        verbose_name_plural = "send preferences"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(undo_seconds__lte=60), name="undo_at_most_a_minute"
            ),
        ]

    def __str__(self) -> str:
        return f"how {self.user} sends"

    @property
    def policy(self) -> SenderPolicy:
        """The value that travels with a message."""
        return SenderPolicy(
            allows_plain_text=self.allows_plain_text,
            accepts_pkix=self.accepts_pkix,
            lifetime_hours=self.lifetime_hours,
        )


class Pledge(models.Model):
    """What an account promised itself about one domain or address."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="pledges")
    target = models.CharField(max_length=320, help_text="An address, or a domain.")
    kind = models.CharField(max_length=10, choices=choices_of(PledgeKind))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("target",)
        constraints = [models.UniqueConstraint(fields=["user", "target"], name="pledge_once")]

    def __str__(self) -> str:
        return f"{self.target}: {self.kind}"


class BrowserSession(models.Model):
    """One browser in which a user is logged in; listed in the settings, ended from there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="browser_sessions")
    session_key = models.CharField(max_length=40, unique=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-last_seen_at",)

    def __str__(self) -> str:
        return f"{self.user} since {self.started_at:%Y-%m-%d %H:%M}"


class AuditEntry(models.Model):
    """Who changed what for whom. Written by services, never changed."""

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="audit_entries"
    )
    by = models.CharField(
        max_length=320,
        blank=True,
        default="",
        db_default="",
        help_text="The name of who did it, at that time.",
    )
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=320, blank=True)
    touched = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many rows; empty where that says nothing."
    )
    reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    detail = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["target", "at"], name="audit_by_target"),
            models.Index(fields=["-at", "-id"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.action} {self.target}"
