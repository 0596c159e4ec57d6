"""Drafts: begin, save while typing, attach files, discard.

Rule: what was typed is stored as it was typed, right or wrong. Only Send asks for sense
(sending.py), so saving never fails for what somebody wrote.
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum

from accounts import selectors as accounts
from delivery import events
from delivery.policy.modes import Mode
from mailweb.lib import addresses
from mailweb.lib.errors import UserError
from mailweb.webmail.mime import parse
from mailweb.webmail.mime.compose import clean_file_name
from mailweb.webmail.models import Draft, DraftAttachment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.core.files.uploadedfile import UploadedFile

    from accounts.models import User

MAX_FILES = 100


class DraftChangedError(UserError):
    """This draft was changed in another tab or on another device since it was opened here."""


class DraftSentError(UserError):
    """This message has been sent already."""


class FileTooLargeError(UserError):
    """The file is too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the form of a draft says. Recipients are as typed, one entry each."""

    sender: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""
    mode: Mode = Mode.DEFAULT
    mode_is_by_hand: bool = False
    tells_delivery: bool = False
    version: int = 0
    page: str = ""
    """Which open page says it: its own saves, answered or not, are no surprise to it."""


def new_draft(user: User, *, to: Iterable[str] = ()) -> Draft:
    """Return a new message, not stored yet: from the primary address, with the signature."""
    preferences = accounts.preferences_of(user)
    return Draft(
        user=user,
        sender=accounts.primary_address(user),
        to=list(to),
        body=f"\n\n-- \n{preferences.signature}" if preferences.signature else "",
        mode=preferences.default_mode,
        # A standing wish is as good as one for this message: it is never lowered either.
        mode_is_by_hand=preferences.default_mode != Mode.DEFAULT,
    )


@transaction.atomic
def save_draft(
    draft: Draft, written: Written, *, now: datetime, keep: Iterable[str] = (), force: bool = False
) -> Draft:
    """Store what was written; `draft` may be new. `keep` are the parts a forward takes along.

    `force` stores it even if another tab has saved since.

    Raises:
        DraftSentError: it is on its way; there is nothing left to change.
        DraftChangedError: another tab has saved since this one read it.
    """
    if draft.outbound_id is not None:
        raise DraftSentError
    if draft._state.adding:
        _store(draft, now)
        _keep_parts(draft, frozenset(keep))
        written_over = draft.version
    else:
        written_over = draft.version if force else written.version
    mine = Q(version=written_over) | (Q(saved_by=written.page) & ~Q(saved_by=""))
    saved = Draft.objects.filter(mine, pk=draft.pk).update(
        **_columns(written), version=F("version") + 1, saved_by=written.page[:36], updated_at=now
    )
    draft.refresh_from_db()
    if not saved:
        raise _why_not_saved(draft)
    if set(draft.copy_modes) - _keys(draft):
        forget_copy_modes(draft)
    events.publish(draft.user_id, events.DRAFTS_CHANGED, draft=str(draft.uuid))
    return draft


def _why_not_saved(draft: Draft) -> UserError:
    return DraftChangedError() if draft.outbound_id is None else DraftSentError()


def as_written(draft: Draft, written: Written) -> Draft:
    """Put what was written into a draft that is only shown, not saved."""
    for name, value in _columns(written).items():
        setattr(draft, name, value)
    draft.version = written.version
    return draft


def copy_draft(draft: Draft, *, now: datetime) -> Draft:
    """Store a second draft that says the same, files included, to nobody yet."""
    fields = {
        field.attname: getattr(draft, field.attname)
        for field in Draft._meta.concrete_fields
        if field.name not in _NOT_COPIED
    }
    other = Draft.objects.create(**fields, version=1, created_at=now, updated_at=now)
    DraftAttachment.objects.bulk_create(
        DraftAttachment(
            draft=other,
            name=file.name,
            content_type=file.content_type,
            size_bytes=file.size_bytes,
            data=file.data,
        )
        for file in draft.attachments.all()
    )
    return other


_NOT_COPIED = frozenset(
    ("id", "uuid", "version", "to", "cc", "bcc", "outbound", "created_at", "updated_at")
)


def _columns(written: Written) -> dict[str, object]:
    return {
        "sender": written.sender[:320],
        "to": list(written.to),
        "cc": list(written.cc),
        "bcc": list(written.bcc),
        "subject": written.subject,
        "body": written.body,
        "mode": written.mode,
        "mode_is_by_hand": written.mode_is_by_hand,
        "tells_delivery": written.tells_delivery,
    }


def _store(draft: Draft, now: datetime) -> None:
    draft.created_at = draft.updated_at = now
    draft.save(force_insert=True)


def _keep_parts(draft: Draft, paths: frozenset[str]) -> None:
    """Copy the chosen attachments of what is forwarded."""
    if draft.forward_of is None or not paths:
        return
    data = bytes(draft.forward_of.blob.data)
    found = (parse.part(data, path) for path in sorted(paths)[:MAX_FILES])
    DraftAttachment.objects.bulk_create(
        DraftAttachment(
            draft=draft,
            name=clean_file_name(part.info.name),
            content_type=part.info.content_type,
            size_bytes=len(part.data),
            data=part.data,
        )
        for part in found
        if part is not None
    )


def _keys(draft: Draft) -> set[str]:
    """Return the keys of the recipients that can be read."""
    keys = set()
    for entry in (*draft.to, *draft.cc, *draft.bcc):
        try:
            keys.add(addresses.parse(entry).key)
        except addresses.InvalidAddressError:
            continue
    return keys


def forget_copy_modes(draft: Draft) -> None:
    """Drop the choices for copies that nobody gets any more."""
    known = _keys(draft)
    draft.copy_modes = {key: mode for key, mode in draft.copy_modes.items() if key in known}
    draft.save(update_fields=["copy_modes"])


def choose_copy_mode(draft: Draft, *, key: str, mode: Mode | None) -> None:
    """Choose by hand how one recipient's copy is sent; None goes back to the message's mode."""
    draft.copy_modes = {other: kept for other, kept in draft.copy_modes.items() if other != key}
    if mode is not None:
        draft.copy_modes[key] = mode.value
    draft.save(update_fields=["copy_modes"])


@transaction.atomic
def discard(draft: Draft) -> None:
    """Delete a draft with its files; one that was never stored is simply forgotten."""
    if draft._state.adding:
        return
    draft.delete()
    events.publish(draft.user_id, events.DRAFTS_CHANGED)


@transaction.atomic
def attach(draft: Draft, upload: UploadedFile[bytes]) -> DraftAttachment:
    """Add a file to a stored draft.

    Raises:
        FileTooLargeError: it, or all files together, are more than a message may carry.
    """
    name = clean_file_name(upload.name or "")
    kept = draft.attachments.aggregate(total=Sum("size_bytes", default=0))["total"]
    size = upload.size or 0
    if size > settings.MAX_MESSAGE_BYTES - kept:
        raise FileTooLargeError(_too_large(name, size, settings.MAX_MESSAGE_BYTES - kept))
    if draft.attachments.count() >= MAX_FILES:
        raise FileTooLargeError(f"One message can carry {MAX_FILES} files; “{name}” is one more.")
    return DraftAttachment.objects.create(
        draft=draft,
        name=name,
        content_type=(_kind(upload, name))[:120],
        size_bytes=size,
        data=upload.read(),
    )


def _kind(upload: UploadedFile[bytes], name: str) -> str:
    return upload.content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _too_large(name: str, size: int, left: int) -> str:
    limit = size_in_words(settings.MAX_MESSAGE_BYTES)
    sentence = (
        f"“{name}” is {size_in_words(size)}. The files of one message can be {limit} together"
    )
    if left == settings.MAX_MESSAGE_BYTES:
        return f"{sentence}."
    return f"{sentence}, and {size_in_words(max(0, left))} are left."


def size_in_words(size_bytes: int) -> str:
    """Return a size as people say it: 30 MB, 1.5 MB, 12 KB, 300 bytes."""
    if size_bytes < 1024:
        return f"{size_bytes} bytes"
    unit, size = ("KB", size_bytes / 1024) if size_bytes < 1024**2 else ("MB", size_bytes / 1024**2)
    return f"{size:.1f}".removesuffix(".0") + f" {unit}" if size < 10 else f"{size:.0f} {unit}"


def detach(file: DraftAttachment) -> None:
    """Take a file out of its draft."""
    file.delete()
