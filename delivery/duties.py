"""Work that is done now and then, by one process at a time, however many clocks call for it.

Two beats, a beat that is restarted, or a task that a broker delivers twice cost nothing: whoever comes
first does it, and the next not before it is time again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from delivery.models import Duty


def begin(name: str, *, now: datetime, every: timedelta) -> bool:
    """Return whether it is time for `name`, and nobody else does it; the next time is `every` later.

    What is set further ahead than that was written by a clock that was wrong, and does not count.
    """
    Duty.objects.bulk_create([Duty(name=name, begun_at=now, next_at=now)], ignore_conflicts=True)
    is_time = Q(next_at__lte=now) | Q(next_at__gt=now + every)
    took = Duty.objects.filter(is_time, name=name).update(begun_at=now, next_at=now + every)
    return bool(took)
