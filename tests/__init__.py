"""The tests; one folder for each kind, see docs/architecture.md."""

from __future__ import annotations
