"""From accepted to settled: queue, attempts, protocol, policy, evidence."""

from __future__ import annotations
