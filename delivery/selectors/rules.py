"""The hold rules as operators see them."""

from __future__ import annotations

from django.db.models import Count

from delivery.models import HoldRule, Recipient, State


def hold_rules() -> list[tuple[HoldRule, int]]:
    """Return every rule with the number of copies it holds, the oldest first."""
    rows = Recipient.objects.filter(state=State.HELD, held_by__isnull=False)
    counted = rows.order_by().values_list("held_by").annotate(held=Count("id"))
    held = dict(counted.values_list("held_by", "held"))
    return [(rule, held.get(rule.pk, 0)) for rule in HoldRule.objects.select_related("account")]
