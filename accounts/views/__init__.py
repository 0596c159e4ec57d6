"""One module per part: session, settings, security."""

from __future__ import annotations
