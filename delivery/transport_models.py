"""Ways out and which mail takes them, as operators set them up.

`delivery.models` has these too, for everyone to import from.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from delivery.policy.routing import Level
from delivery.policy.transport import Families, Kind, TlsRule
from mailweb.lib.choices import choices_of
from mailweb.lib.sealed import seal, unseal

_PURPOSE = "transport secret"


class Transport(models.Model):
    """One way out. What the fields mean for each kind is checked in `delivery.transports`."""

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=12, choices=choices_of(Kind))
    hosts = models.JSONField(default=list, blank=True, help_text="Tried in this order.")
    port = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the usual one.")
    tls = models.CharField(max_length=10, choices=choices_of(TlsRule), default=TlsRule.VERIFIED)
    families = models.CharField(max_length=4, choices=choices_of(Families), default=Families.BOTH)
    sources = models.JSONField(
        default=list, blank=True, help_text="Addresses to send from, at most one of each family."
    )
    exits = models.JSONField(
        default=list,
        blank=True,
        help_text="Addresses that others see mail come from, for the check of SPF.",
    )
    ehlo_name = models.CharField(max_length=253, blank=True, help_text="Empty: this server's.")
    username = models.CharField(max_length=320, blank=True)
    sealed_secret = models.BinaryField(default=bytes, blank=True, editable=False)
    token_url = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="Where tokens are renewed (OAuth 2). Empty: the secret is not renewed.",
    )
    client_id = models.CharField(max_length=500, blank=True, default="", db_default="")
    token_scope = models.CharField(max_length=500, blank=True, default="", db_default="")
    sealed_client_secret = models.BinaryField(null=True, blank=True, editable=False)
    mechanisms = models.JSONField(
        default=list,
        blank=True,
        help_text="That may be used to log in. Empty: all but PLAIN and LOGIN.",
    )
    pinned = models.CharField(max_length=24, blank=True, help_text="A weaker one is refused.")
    code = models.PositiveSmallIntegerField(default=554)
    enhanced = models.CharField(max_length=12, default="5.7.0", blank=True)
    text = models.CharField(max_length=256, blank=True)
    is_enabled = models.BooleanField(default=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_because = models.CharField(max_length=600, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    last_session = models.JSONField(null=True, blank=True, editable=False)
    proven = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        editable=False,
        help_text="By host, the strongest mechanism that ever logged in there.",
    )

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(paused_at__isnull=False) | Q(paused_because=""),
                name="transport_pause_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_secret(self) -> bool:
        """Whether there is a password, a token, or what tokens are renewed with."""
        return bool(self.sealed_secret)

    @property
    def has_client_secret(self) -> bool:
        """Whether we prove ourselves to whoever renews tokens."""
        return bool(self.sealed_client_secret)

    @property
    def secret(self) -> str:
        """The password or token, for whoever logs in with it; with `token_url` a refresh token.

        Raises:
            BrokenSealError: it was sealed under a SECRET_KEY that is not known any more.
        """
        return _opened(self.sealed_secret)

    @secret.setter
    def secret(self, secret: str) -> None:
        self.sealed_secret = _sealed(secret)

    @property
    def client_secret(self) -> str:
        """What proves us to whoever renews tokens.

        Raises:
            BrokenSealError: it was sealed under a SECRET_KEY that is not known any more.
        """
        return _opened(self.sealed_client_secret)

    @client_secret.setter
    def client_secret(self, secret: str) -> None:
        self.sealed_client_secret = _sealed(secret) or None


class TransportToken(models.Model):
    """The access token that a transport logs in with for now, and whose turn it is to renew it."""

    transport = models.OneToOneField(
        Transport, on_delete=models.CASCADE, primary_key=True, related_name="token"
    )
    sealed_token = models.BinaryField(default=bytes, blank=True, editable=False)
    good_until = models.DateTimeField(null=True, blank=True)
    asking_until = models.DateTimeField(
        null=True, blank=True, help_text="Somebody asks for another one; nobody else does."
    )

    def __str__(self) -> str:
        return f"token of {self.transport}"

    @property
    def token(self) -> str:
        """The token.

        Raises:
            BrokenSealError: it was sealed under a SECRET_KEY that is not known any more.
        """
        return _opened(self.sealed_token)

    @token.setter
    def token(self, token: str) -> None:
        self.sealed_token = _sealed(token)


def _opened(sealed: bytes | memoryview | None) -> str:
    return unseal(bytes(sealed), purpose=_PURPOSE).decode() if sealed else ""


def _sealed(secret: str) -> bytes:
    return seal(secret.encode(), purpose=_PURPOSE) if secret else b""


class Route(models.Model):
    """Which mail takes a transport; the first that fits decides (`delivery.policy.routing`)."""

    level = models.CharField(max_length=8, choices=choices_of(Level), default=Level.GLOBAL)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="routes",
    )
    domain = models.CharField(max_length=253, blank=True, help_text="Of MAIL FROM, as A-labels.")
    position = models.PositiveIntegerField(default=100, help_text="Smaller ones are asked first.")
    sender_domains = models.JSONField(default=list, blank=True)
    recipient_domains = models.JSONField(
        default=list, blank=True, help_text="“.example.org” means the domain and all below it."
    )
    minimum_attempts = models.PositiveIntegerField(
        default=0, help_text="Only for copies that were tried so often before."
    )
    transport = models.ForeignKey(
        Transport,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="routes",
        help_text="Empty: direct.",
    )

    class Meta:
        ordering = ("level", "position", "id")
        constraints = [
            models.CheckConstraint(
                condition=Q(level=Level.ACCOUNT, account__isnull=False, domain="")
                | (Q(level=Level.DOMAIN, account__isnull=True) & ~Q(domain=""))
                | Q(level=Level.GLOBAL, account__isnull=True, domain=""),
                name="route_level_has_its_key",
            ),
        ]

    def __str__(self) -> str:
        return f"route {self.pk}"
