"""RFC 8461: which hosts a policy names."""

from __future__ import annotations

from collections.abc import Iterable


def matches_any(host: str, patterns: Iterable[str]) -> bool:
    """Return whether `host` is named by one of the policy's `mx` patterns (RFC 8461 §4.1).

    Both are compared as A-labels without regard to case; `*.` stands for exactly one label.
    """
    name = host.rstrip(".").lower()
    _, _, parent = name.partition(".")
    return any(
        pattern == name or (pattern.startswith("*.") and parent and pattern[2:] == parent)
        for pattern in (given.rstrip(".").lower() for given in patterns)
    )
