"""Copies as a worker holds them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef

from delivery.models import Recipient, Route, State, Suppression


class Copy(NamedTuple):
    """One recipient's copy and what a delivery needs of its message; a snapshot, not a row.

    Whoever writes down how it ended must still hold `lease`.
    """

    pk: int
    lease: UUID
    message_id: int
    owner_id: int | None
    mail_from: str
    address: str
    domain: str
    mode: str
    pledge: str
    attempts_made: int
    expires_at: datetime
    has_8bit: bool
    needs_smtputf8: bool
    sender_policy: dict[str, Any]
    notify: str
    orcpt: str
    ret: str
    envid: str
    uuid: UUID
    """The message's."""
    promised: str
    if_worse: str
    transport: str
    """The one that an operator gave it, if any."""

    has_suppressions: bool = False
    """Whether its account has, or had, suppressed addresses: if not, nobody needs to look."""

    has_routes: bool = False
    """Whether any route is set up at all; the same for all copies of a claim."""


_FROM_MESSAGE = frozenset(
    {
        "owner_id",
        "mail_from",
        "expires_at",
        "has_8bit",
        "needs_smtputf8",
        "sender_policy",
        "ret",
        "envid",
        "uuid",
    }
)
_COLUMNS = tuple(f"message__{name}" if name in _FROM_MESSAGE else name for name in Copy._fields)


def held_under(lease: UUID) -> tuple[Copy, ...]:
    """Return the copies that are being sent under `lease`."""
    listed = Exists(Suppression.objects.filter(owner=OuterRef("owner_id")))
    rows = Recipient.objects.filter(lease=lease, state=State.SENDING).order_by("id")
    has_route = Exists(Route.objects.order_by())
    rows = rows.annotate(has_suppressions=listed, has_routes=has_route)
    return tuple(map(Copy._make, rows.values_list(*_COLUMNS)))
