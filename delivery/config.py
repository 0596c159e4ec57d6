"""The settings of delivery as frozen values. The only module here that reads settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.conf import settings

from delivery.agent.config import AgentConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConfig:
    """How the queue is worked off.

    A worker claims up to `batch` copies at a time and holds each under a lease of `lease_for`,
    which it renews while it works. `linger_for` is how long a drain stays after its last copy,
    with its connections open.
    """

    agent: AgentConfig
    batch: int = 400
    lease_for: timedelta = timedelta(seconds=60)
    lifetime: timedelta = timedelta(hours=120)
    linger_for: timedelta = timedelta(seconds=3)
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that are not public and may be called all the same."""

    @classmethod
    def from_settings(cls) -> DeliveryConfig:
        """Read the settings once."""
        return cls(
            agent=AgentConfig(
                hostname=settings.MAIL_HOSTNAME,
                smtp_port=settings.SMTP_PORT,
                sts_port=settings.MTA_STS_PORT,
                resolvers=tuple(_endpoint(text) for text in settings.DNS_RESOLVERS),
                trust_ad=settings.DNS_TRUST_AD,
                ca_file=settings.TLS_CA_FILE,
                sources=tuple(settings.SMTP_SOURCE_ADDRESSES),
                concurrency=settings.DELIVERY_CONCURRENCY,
                concurrency_per_host=settings.DELIVERY_CONCURRENCY_PER_HOST,
            ),
            lease_for=timedelta(seconds=settings.DELIVERY_LEASE_SECONDS),
            lifetime=timedelta(hours=settings.QUEUE_LIFETIME_HOURS),
            webhook_networks=tuple(map(ip_network, settings.WEBHOOK_NETWORKS)),
        )


def _endpoint(text: str) -> tuple[str, int]:
    """Read `ip[:port]`; an IPv6 address with a port stands in brackets."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port.lstrip(":") or 53)
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, int(port)
    return text, 53
