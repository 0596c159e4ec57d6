"""Who may see what: the only place where a key from a request becomes a row.

Every gate raises Http404 when there is nothing, or when it is someone else's; the two look the
same on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404

from delivery.models import OutboundMessage, Recipient
from mailweb.webmail import services
from mailweb.webmail.models import (
    SPECIAL_ROLES,
    Draft,
    DraftAttachment,
    Mailbox,
    Message,
    Role,
)

if TYPE_CHECKING:
    from uuid import UUID

    from accounts.models import User


def mailbox_for(user: User, slug: str) -> Mailbox:
    """Return the user's mailbox; the special ones are made when they are first asked for."""
    found = Mailbox.objects.filter(user=user, slug=slug).first()
    if found is None and slug in SPECIAL_ROLES:
        found = services.mailboxes_for(user)[Role(slug)]
    if found is None:
        raise Http404
    return found


def message_for(user: User, key: UUID) -> Message:
    """Return the user's message, with its mailbox."""
    found = Message.objects.filter(user=user, uuid=key).select_related("mailbox").first()
    if found is None:
        raise Http404
    return found


def mailbox_with_id_for(user: User, mailbox_id: int) -> Mailbox:
    """Return the user's mailbox by its number, which only signed addresses carry."""
    found = Mailbox.objects.filter(user=user, pk=mailbox_id).first()
    if found is None:
        raise Http404
    return found


def draft_for(user: User, key: UUID) -> Draft:
    """Return the user's draft, sent ones left out."""
    found = Draft.objects.filter(user=user, uuid=key).select_related("user").first()
    if found is None:
        raise Http404
    return found


def draft_or_new(user: User, key: UUID) -> Draft:
    """Return the user's draft, sent or not, or a new one with this key that is not stored yet."""
    found = Draft.with_sent.filter(uuid=key).select_related("user").first()
    if found is None:
        return Draft(uuid=key, user=user)
    if found.user_id != user.pk:
        raise Http404
    return found


def draft_file_for(user: User, key: UUID, file: UUID) -> DraftAttachment:
    """Return a file of the user's draft, without its bytes."""
    files = DraftAttachment.objects.filter(draft__user=user, draft__uuid=key, uuid=file)
    found = files.filter(draft__outbound=None).select_related("draft__user").defer("data").first()
    if found is None:
        raise Http404
    return found


def outbound_for(user: User, key: UUID) -> OutboundMessage:
    """Return a message the user has sent."""
    found = OutboundMessage.objects.filter(owner=user, uuid=key).first()
    if found is None:
        raise Http404
    return found


def copy_for(user: User, key: UUID, recipient: int) -> Recipient:
    """Return one recipient's copy of a message the user has sent."""
    copies = Recipient.objects.filter(message__owner=user, message__uuid=key, pk=recipient)
    found = copies.select_related("message").first()
    if found is None:
        raise Http404
    return found
