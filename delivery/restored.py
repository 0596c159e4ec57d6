"""Mail in a queue that came out of a backup."""

from __future__ import annotations

from delivery.models import DUE_STATES, Recipient, State

REASON = "It comes from a backup: it may have been sent after that was made."


def hold_all() -> int:
    """Hold every copy that would leave, or was leaving, by itself; return how many.

    It names no column that an older version lacks: a backup is held before it is migrated.
    """
    leaving = Recipient.objects.filter(state__in=(*DUE_STATES, State.SENDING))
    return leaving.update(state=State.HELD, lease=None, lease_until=None, hold_reason=REASON)
