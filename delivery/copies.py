"""Copies as a worker holds them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, F, OuterRef, QuerySet

from delivery.models import Recipient, Route, Suppression


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


_FROM_MESSAGE = (
    "owner_id",
    "mail_from",
    "expires_at",
    "has_8bit",
    "needs_smtputf8",
    "sender_policy",
    "ret",
    "envid",
    "uuid",
)
_READ_AS = {"attempts_made": "this_attempt"} | {name: f"message__{name}" for name in _FROM_MESSAGE}
_COLUMNS = tuple(_READ_AS.get(name, name) for name in Copy._fields if name != "lease")


def taken_under(rows: QuerySet[Recipient], lease: UUID) -> list[tuple[Copy, int]]:
    """Read `rows` as what they will be under `lease`, each with the octets of its message."""
    listed = Exists(Suppression.objects.filter(owner=OuterRef("owner_id")))
    has_route = Exists(Route.objects.order_by())
    rows = rows.annotate(
        has_suppressions=listed, has_routes=has_route, this_attempt=F("attempts_made") + 1
    )
    return [
        (Copy(pk, lease, *columns), size)
        for size, pk, *columns in rows.values_list("message__size_bytes", *_COLUMNS)
    ]
