"""How the agent reaches the world; frozen, handed in, read from nowhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """The installation's way out.

    `resolvers` are (address, port) pairs; empty means the system's. `trust_ad` is `auto`
    (only from loopback resolvers), `always` or `never`. `sources` are local addresses to
    send from. `time_scale` multiplies every time-out: 1.0 is RFC 5321 §4.5.3.2.
    """

    hostname: str
    smtp_port: int = 25
    sts_port: int = 443
    resolvers: tuple[tuple[str, int], ...] = ()
    trust_ad: str = "auto"
    ca_file: str = ""
    sources: tuple[str, ...] = ()
    concurrency: int = 200
    concurrency_per_host: int = 20
    time_scale: float = 1.0
