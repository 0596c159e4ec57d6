"""The mail store: mailboxes, messages, their bytes, drafts, and the people written to."""

from __future__ import annotations

import uuid
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from delivery.models import OutboundMessage
from delivery.policy.modes import Mode
from mailweb.lib.choices import choices_of


class Role(StrEnum):
    """What a mailbox is for. A user has each special one exactly once (RFC 6154)."""

    INBOX = "inbox"
    DRAFTS = "drafts"
    SENT = "sent"
    ARCHIVE = "archive"
    JUNK = "junk"
    TRASH = "trash"
    PLAIN = "plain"


class Notice(StrEnum):
    """What a notice tells about a delivery; `NONE` for mail from anybody else."""

    NONE = ""
    FAILED = "failed"
    DELAYED = "delayed"
    HELD = "held"
    """It waits for a word of its sender."""

    ARRIVED = "arrived"
    """Told only where its sender asked for that."""


SPECIAL_ROLES = tuple(role for role in Role if role is not Role.PLAIN)


class Mailbox(models.Model):
    """A named box of one user. Counters are kept with it so that no list has to count."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mailboxes"
    )
    slug = models.SlugField(max_length=80)
    name = models.CharField(max_length=80)
    role = models.CharField(max_length=8, choices=choices_of(Role), default=Role.PLAIN)
    position = models.PositiveSmallIntegerField(default=100)
    total = models.PositiveIntegerField(default=0)
    unseen = models.PositiveIntegerField(default=0)
    uid_validity = models.PositiveIntegerField(default=1)
    uid_next = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("position", "name")
        verbose_name_plural = "mailboxes"
        constraints = [
            models.UniqueConstraint(fields=["user", "slug"], name="mailbox_slug_once"),
            models.UniqueConstraint(
                fields=["user", "role"], condition=~Q(role=Role.PLAIN), name="mailbox_role_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Blob(models.Model):
    """The raw bytes of a message, exactly as received or sent."""

    data = models.BinaryField()
    size_bytes = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.size_bytes} bytes"


class Thread(models.Model):
    """Messages of one user that answer each other."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="threads"
    )
    subject = models.CharField(max_length=998, blank=True)
    last_message_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-last_message_at",)

    def __str__(self) -> str:
        return self.subject or "(no subject)"


class Message(models.Model):
    """A message in a mailbox. Everything a list shows stands in this row."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="messages"
    )
    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="messages")
    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="messages")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="messages")
    uid = models.PositiveIntegerField()
    message_id = models.CharField(max_length=998, blank=True)
    in_reply_to = models.CharField(max_length=998, blank=True)
    subject = models.CharField(max_length=998, blank=True)
    sender_name = models.CharField(max_length=320, blank=True)
    sender_address = models.CharField(max_length=320, blank=True)
    to = models.JSONField(default=list, help_text='[["name", "address"], …]')
    cc = models.JSONField(default=list)
    bcc = models.JSONField(default=list, help_text="Of sent mail only; never on the wire.")
    snippet = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(help_text="The Date header, or when it arrived.")
    received_at = models.DateTimeField(default=timezone.now)
    size_bytes = models.PositiveBigIntegerField()
    has_attachments = models.BooleanField(default=False)
    is_seen = models.BooleanField(default=False)
    is_flagged = models.BooleanField(default=False)
    is_answered = models.BooleanField(default=False)
    is_forwarded = models.BooleanField(default=False)
    is_list = models.BooleanField(default=False, help_text="Came through a mailing list.")
    outbound = models.ForeignKey(
        OutboundMessage,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="sent_copies",
        help_text="Set on the sent copy: where its receipt comes from.",
    )
    reports_on = models.ForeignKey(
        OutboundMessage,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="notices",
        help_text="Set on a notice that a delivery failed or is late.",
    )
    notice = models.CharField(max_length=8, choices=choices_of(Notice), blank=True)

    class Meta:
        ordering = ("-received_at", "-id")
        constraints = [models.UniqueConstraint(fields=["mailbox", "uid"], name="message_uid_once")]
        indexes = [
            models.Index(fields=["mailbox", "-received_at", "-id"], name="message_list"),
            models.Index(fields=["user", "message_id"], name="message_by_message_id"),
            models.Index(
                fields=["mailbox", "-received_at", "-id"],
                name="message_unseen",
                condition=Q(is_seen=False),
            ),
            models.Index(
                fields=["mailbox", "-received_at", "-id"],
                name="message_flagged",
                condition=Q(is_flagged=True),
            ),
            models.Index(
                fields=["mailbox", "-received_at", "-id"],
                name="message_notices",
                condition=Q(notice__gt=""),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or "(no subject)"


class Attachment(models.Model):
    """A part of a message that can be saved on its own; its bytes stay in the message's blob."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    part = models.CharField(max_length=40, help_text="The path of the MIME part: 2.1")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=120)
    size_bytes = models.PositiveBigIntegerField()
    content_id = models.CharField(max_length=255, blank=True)
    is_inline = models.BooleanField(default=False)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["message", "part"], name="attachment_part_once")
        ]

    def __str__(self) -> str:
        return self.name


class OpenDrafts(models.Manager["Draft"]):
    """The drafts people see: those that have been sent wait, unseen, for a possible Undo."""

    def get_queryset(self) -> models.QuerySet[Draft]:
        """Leave out what has been sent."""
        return super().get_queryset().filter(outbound=None)


class Draft(models.Model):
    """A message being written; saved while it is typed, kept whatever happens on Send.

    It outlives Send until the message has begun to leave, so that Undo brings back the very
    same draft.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts"
    )
    version = models.PositiveIntegerField(
        default=0, help_text="Counts saves; tells two tabs apart."
    )
    saved_by = models.CharField(
        max_length=36, blank=True, help_text="The open page that saved last."
    )
    sender = models.CharField(max_length=320, help_text="One of the user's addresses.")
    to = models.JSONField(default=list, help_text="As typed, one entry a recipient.")
    cc = models.JSONField(default=list)
    bcc = models.JSONField(default=list)
    subject = models.TextField(blank=True)
    body = models.TextField(blank=True)
    mode = models.CharField(max_length=10, choices=choices_of(Mode), default=Mode.DEFAULT)
    mode_is_by_hand = models.BooleanField(default=False)
    copy_modes = models.JSONField(
        default=dict, blank=True, help_text='Choices by hand for single copies: {"address": mode}.'
    )
    reply_to = models.ForeignKey(
        Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="reply_drafts"
    )
    forward_of = models.ForeignKey(
        Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="forward_drafts"
    )
    references = models.JSONField(
        default=list, blank=True, help_text="Message-IDs of what this answers, oldest first."
    )
    is_list_reply = models.BooleanField(default=False)
    tells_delivery = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its sender wants to be told when it is delivered (RFC 3461).",
    )
    outbound = models.OneToOneField(
        OutboundMessage,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="draft",
        help_text="Set by Send, taken back by Undo.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = OpenDrafts()
    with_sent = models.Manager["Draft"]()

    class Meta:
        ordering = ("-updated_at", "-id")
        indexes = [models.Index(fields=["user", "-updated_at"], name="draft_recent")]

    def __str__(self) -> str:
        return self.subject or "(no subject)"


class DraftAttachment(models.Model):
    """A file added to a draft."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=120)
    size_bytes = models.PositiveBigIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name


class Correspondent(models.Model):
    """Someone this user has written to: what completes addresses in compose."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="correspondents"
    )
    address = models.CharField(max_length=320)
    name = models.CharField(max_length=320, blank=True)
    messages = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-last_at",)
        constraints = [
            models.UniqueConstraint(fields=["user", "address"], name="correspondent_once")
        ]
        indexes = [models.Index(fields=["user", "-last_at"], name="correspondent_recent")]

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address
