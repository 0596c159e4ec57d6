"""Questions to the configured resolvers, for operators at a shell and in the admin."""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from django.conf import settings

from mailweb.lib.errors import UserError


class NoAnswerError(UserError):
    """The resolver gave no answer, so nothing can be said."""


class OperatorLookup:
    """Asks the resolvers of the settings, or those of the system."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._resolver = dns.resolver.Resolver(configure=not servers)
        if servers:
            self._resolver.nameservers = [_nameserver(server) for server in servers]
        self._resolver.lifetime = 10.0

    def __call__(self, name: str, kind: str) -> list[str]:
        """Return the values of `kind` at `name`, as in a zone file but TXT joined.

        Raises:
            NoAnswerError: the look-up itself failed.
        """
        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise NoAnswerError(f"The look-up of {name} failed: {error}") from None
        if answer.rdtype == dns.rdatatype.TXT:
            return [b"".join(data.strings).decode("utf-8", "replace") for data in answer]
        return [data.to_text() for data in answer]


def operator_lookup() -> OperatorLookup:
    """Return what asks the configured resolvers; in a demo without any, the lab's."""
    servers = list(settings.DNS_RESOLVERS)
    if settings.DEMO and not servers:
        # The web process of a demo starts beside the lab, before anybody knows its port.
        told = settings.LAB_DIR / "resolver"
        servers = told.read_text(encoding="ascii").split() if told.exists() else []
    return OperatorLookup(servers)


def _nameserver(text: str) -> dns.nameserver.Nameserver:
    """Read `ip[:port]`; an IPv6 address with a port stands in brackets."""
    host, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port or 53))
