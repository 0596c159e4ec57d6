"""The one domain signal: news that goes up to apps which delivery must not know."""

from __future__ import annotations

from django.dispatch import Signal

delivery_settled = Signal()
"""Sent inside the transaction that settles copies: `message`, `recipients` (a list of
Recipient rows) and `kind`: "delivered", "failed" or "delayed"."""
