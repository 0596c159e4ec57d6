"""Who may be called: a URL is checked when it is given, an address each time before it is used.

Users choose the URL and the server makes the call. Without these rules they could have it speak
to whatever trusts this machine: its own services, the network around it, the cloud's metadata.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from mailweb.lib.addresses import InvalidAddressError, domain_to_ascii
from mailweb.lib.errors import UserError

MOST_OCTETS = 500
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""What is given out for use in public; site-local addresses, say, are not in it."""

_PORTS = {"https": 443, "http": 80}

Network = IPv4Network | IPv6Network


class BadUrlError(UserError):
    """This is no URL that can be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a URL names. `host` is a name as A-labels, or an address."""

    is_tls: bool
    host: str
    port: int
    path: str


def parse(url: str) -> Target:
    """Return what `url` names.

    Raises:
        BadUrlError: with what is wrong, for people.
    """
    if len(url.encode()) > MOST_OCTETS or any(ord(char) <= 32 for char in url):
        raise BadUrlError("The URL is too long, or has spaces in it.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUrlError("This is not a URL.") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise BadUrlError("The URL must begin with https:// and name a host.")
    if parts.username is not None or parts.fragment:
        raise BadUrlError("The URL must have no password and no # part.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise BadUrlError("Write other than ASCII letters in the URL as %xx.")
    return Target(
        is_tls=parts.scheme == "https",
        host=_host(parts.hostname),
        port=_PORTS[parts.scheme] if port is None else port,
        path=path,
    )


def _host(name: str) -> str:
    try:
        return str(ip_address(name))
    except ValueError:
        pass
    try:
        return domain_to_ascii(name)
    except InvalidAddressError:
        raise BadUrlError("The URL does not name a host.") from None


def may_call(address: str, *, is_tls: bool, networks: Collection[Network]) -> bool:
    """Return whether a call to `address` is allowed.

    Public addresses are, over TLS. `networks` are the operator's exceptions: what lies in them
    may be called, without TLS too.
    """
    found = ip_address(address)
    inner = _inside(found)
    if any(
        one.version == network.version and one in network for one in inner for network in networks
    ):
        return True
    return is_tls and all(map(_is_public, inner))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _UNICAST and address not in _NAT64:
        return False
    return address.is_global and not address.is_multicast


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return the address, and those it is another way to write or reaches through a gateway."""
    if isinstance(address, IPv4Address):
        return [address]
    mapped = address.ipv4_mapped
    if mapped is not None:
        return [mapped]
    hidden: list[IPv4Address | IPv6Address] = [address]
    if address.sixtofour is not None:
        hidden.append(address.sixtofour)
    if address.teredo is not None:
        hidden += address.teredo
    if address in _NAT64:
        hidden.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return hidden
