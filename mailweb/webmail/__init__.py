"""The webmail: mail store, reading, composing, outbox."""

from __future__ import annotations
