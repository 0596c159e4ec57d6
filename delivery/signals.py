"""The one domain signal: news that goes up to apps which delivery must not know."""

from __future__ import annotations

from django.dispatch import Signal

delivery_settled = Signal()
"""Sent inside the transaction that notes that they are told: `message`, `recipients` (a list of
Recipient rows), `kind`: "delivered", "failed", "delayed" or "held", and `now`. Copies that are
delivered are told only where their sender asked for that (RFC 3461); held ones are those that wait
for a word of their sender."""
