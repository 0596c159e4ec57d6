"""What the pages of the webmail show. Everything is scoped by its owner.

Rule: a list costs the same few queries whether the mailbox holds ten messages or a million.
"""

from __future__ import annotations

from mailweb.webmail.selectors.letters import (
    Letter,
    letter,
    mailboxes_to_move_to,
    neighbours,
    part_urls,
    receipt_of,
)
from mailweb.webmail.selectors.lists import (
    Page,
    Place,
    Row,
    Show,
    drafts_of,
    messages_in,
    rows_of,
)
from mailweb.webmail.selectors.navigation import NOWHERE, Navigation, navigation
from mailweb.webmail.selectors.search import Found, found

__all__ = [
    "NOWHERE",
    "Found",
    "Letter",
    "Navigation",
    "Page",
    "Place",
    "Row",
    "Show",
    "drafts_of",
    "found",
    "letter",
    "mailboxes_to_move_to",
    "messages_in",
    "navigation",
    "neighbours",
    "part_urls",
    "receipt_of",
    "rows_of",
]
