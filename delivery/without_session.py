"""What a claim has that needs no session: copies without content, for suppressed addresses, and for here."""

from __future__ import annotations

from datetime import datetime

from delivery import journal, ledger, local, suppressions
from delivery.claims import Claim
from delivery.copies import Copy


def settle(taken: Claim, *, now: datetime) -> tuple[list[Copy], int]:
    """Settle what needs no session; return what must leave, and how many copies failed.

    Copies without content and those for suppressed addresses fail, local ones are filed.
    """
    missing = [one for one in taken.copies if one.message_id not in taken.contents]
    present = [one for one in taken.copies if one.message_id in taken.contents]
    results = ledger.lost_content(missing) + suppressions.refused(present, now=now)
    if results:
        copies = {one.pk: one for one in taken.copies}
        ledger.settle(copies=copies, results=results, now=now, jitter=0.0)
    failed = {result.key for result in results}
    rest = [one for one in present if one.pk not in failed]
    ours = local.local_domains({one.domain for one in rest})
    here = [one for one in rest if one.domain in ours]
    local.deliver(claimed=taken, recipients=here, now=now)
    journal.tell_of_filed(here)
    return [one for one in rest if one.domain not in ours], len(failed)
