"""What the log tells of messages. One id leads through it: the start of the message's UUID.

`mail=` stands on the line of the web process that accepted the message, on every line that a
worker writes while it tries it, on those of its SMTP sessions, and on the one that says how its
copies ended.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from delivery.agent.job import AttemptReport
from delivery.copies import Copy

if TYPE_CHECKING:
    from delivery.models import OutboundMessage

ID_LENGTH = 13
"""Of the UUID as it is written: with 48 bits, two messages rarely share one."""

logger = logging.getLogger(__name__)


def log_id(uuid: UUID) -> str:
    """Return what the log calls a message: searching for it also finds the whole UUID."""
    return str(uuid)[:ID_LENGTH]


def fields_of(copies: Sequence[Copy]) -> dict[str, object]:
    """Return what every line about the delivery of these copies of one message says."""
    first = copies[0]
    return {
        "mail": log_id(first.uuid),
        "copies": ",".join([str(one.pk) for one in copies]),
        "attempt": first.attempts_made,
    }


def tell_of_accepted(message: OutboundMessage, *, copies: int) -> None:
    """Say, once it is certain, that a message is in the queue."""
    fields = {
        "mail": log_id(message.uuid),
        "number": message.pk,
        "copies": copies,
        "octets": message.size_bytes,
        "account": message.owner_id,
    }
    transaction.on_commit(partial(logger.info, "message accepted", extra=fields))


def tell_of_settled(reports: Iterable[AttemptReport]) -> None:
    """Say how copies ended: one line for all that were written down together."""
    if not logger.isEnabledFor(logging.INFO):
        return
    messages: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        name = str(report.job.log.get("mail", ""))
        for result in {one.outcome.result for one in report.results}:
            messages[result.value].append(name)
    logger.info(
        "copies written down", extra={result: ",".join(names) for result, names in messages.items()}
    )


def tell_of_filed(copies: Iterable[Copy]) -> None:
    """Say which messages were filed for accounts of this installation."""
    names = dict.fromkeys(log_id(one.uuid) for one in copies)
    if names:
        logger.info("copies filed here", extra={"delivered": ",".join(names)})
