"""People: users, domains, addresses, sessions, send policy, the send-security dashboard."""

from __future__ import annotations
