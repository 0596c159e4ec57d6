"""Who may see what: the only place where a key from a request becomes a row.

Every gate raises Http404 when there is nothing, or when it is someone else's; the two look the
same on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404

from mailweb.webmail import services
from mailweb.webmail.models import SPECIAL_ROLES, Mailbox, Message, Role

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
