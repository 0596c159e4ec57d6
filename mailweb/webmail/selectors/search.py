"""Search in one's own mail: people, subjects and the beginnings of texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.fields import TextField
from django.db.models.functions import Cast

from mailweb.webmail.models import Message, Role
from mailweb.webmail.selectors.lists import Row, rows_of

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import User

MOST_RESULTS = 200
MOST_WORDS = 8
MOST_CHARACTERS = 200

_COLUMNS = ("sender_name", "sender_address", "subject", "snippet")
_LISTS = ("to_text", "cc_text", "bcc_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found; `is_cut` if there is more than is shown."""

    query: str = ""
    rows: tuple[Row, ...] = ()
    is_cut: bool = False


def found(user: User, query: str, *, now: datetime) -> Found:
    """Return the newest messages that have every word of `query` somewhere in what a list shows.

    Trash and junk are left out.
    """
    words = query[:MOST_CHARACTERS].replace("\0", " ").split()[:MOST_WORDS]
    if not words:
        return Found()
    messages = (
        Message.objects.filter(user=user)
        .exclude(mailbox__role__in=(Role.TRASH, Role.JUNK))
        .alias(**{f"{name}_text": Cast(name, TextField()) for name in ("to", "cc", "bcc")})
        .select_related("mailbox")
        .order_by("-received_at", "-id")
    )
    for word in words:
        messages = messages.filter(_anywhere(word))
    hits = list(messages[: MOST_RESULTS + 1])
    rows = rows_of(hits[:MOST_RESULTS], now=now, has_place=True)
    return Found(query=" ".join(words), rows=rows, is_cut=len(hits) > MOST_RESULTS)


def _anywhere(word: str) -> Q:
    condition = Q()
    for column in (*_COLUMNS, *_LISTS):
        condition |= Q(**{f"{column}__icontains": word})
    if not word.isascii():
        # SQLite keeps JSON with such letters escaped.
        escaped = json.dumps(word)[1:-1]
        for column in _LISTS:
            condition |= Q(**{f"{column}__icontains": escaped})
    return condition
