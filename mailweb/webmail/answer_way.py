"""How an answer to a message would travel, from what is known now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailweb.webmail import answering
from mailweb.webmail.outlook import outlook_of
from mailweb.webmail.recipients import recipients_of

if TYPE_CHECKING:
    from datetime import datetime

    from delivery.selectors import CopyView
    from mailweb.webmail.models import Message

# From what should be known first to what needs no second look.
_WEAKEST_FIRST = ("cut", "plain", "unk", "tls", "ver", "req")


def way_of_answer(message: Message, *, now: datetime) -> CopyView | None:
    """Return the weakest copy of an answer; None if there is nobody to answer.

    Nothing is looked up: a question to the sender's DNS would tell that the message was read.
    """
    draft = answering.reply_draft(message)
    copies = outlook_of(draft, recipients_of(draft), now=now).copies
    return min(copies, key=lambda copy: _WEAKEST_FIRST.index(copy.wire.kind), default=None)
