"""Connections through a SOCKS5 proxy (RFC 1928), with a password if it wants one (RFC 1929).

Mail servers come with their addresses, so that DNS, and what DNSSEC says of it, stays ours and no
proxy has a say in it. What is wrong with the proxy itself is told apart from what it says of others.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket

from python_socks import ProxyConnectionError, ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from delivery.agent import outcomes
from delivery.agent.answers import Resolver, follow
from delivery.agent.errors import ConnectError
from delivery.policy.transport import Transport

ABOUT_THE_HOST = frozenset({3, 4, 5, 6})
"""RFC 1928 §6: replies of a proxy that speak of the other side, not of itself."""

_VERSION, _NO_PASSWORD, _PASSWORD = 5, 0, 2


async def connect(
    via: Transport, address: str, port: int, *, host: str, resolver: Resolver | None
) -> socket.socket:
    """Return a connection to `address`, made by the first proxy of `via` that can be used.

    Raises:
        ConnectError: about the host if a proxy says that it can't be reached, else about `via`.
    """
    why = "its proxy has no address"
    for name in via.hosts:
        for place in await _addresses_of(name, resolver):
            try:
                return await _ask(via, place, address, port)
            except ProxyConnectionError as error:
                why = f"its proxy {name} could not be reached ({_words(error)})"
            except ProxyError as error:
                if error.error_code in ABOUT_THE_HOST:
                    told = outcomes.no_connection(host, address, str(error).lower())
                    raise ConnectError(told) from error
                why = f"its proxy {name} answers “{error}”"
    raise ConnectError(outcomes.proxy_failed(via.name, why))


async def _ask(via: Transport, place: str, address: str, port: int) -> socket.socket:
    log_in = via.credentials
    proxy = Proxy(
        ProxyType.SOCKS5,
        place,
        via.port,
        username=log_in.username if log_in else None,
        password=log_in.secret if log_in else None,
    )
    stream = await proxy.connect(address, port)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    return stream


async def greet(via: Transport, name: str, *, resolver: Resolver | None) -> str:
    """Shake hands with one proxy, log in, and leave; return what is wrong, or an empty string."""
    why = "it has no address"
    for place in await _addresses_of(name, resolver):
        try:
            reader, writer = await asyncio.open_connection(place, via.port)
        except OSError as error:
            why = f"it could not be reached at {place}: {_words(error)}"
            continue
        try:
            return await _shake_hands(via, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            why = f"it closed the connection at {place}"
        finally:
            writer.transport.abort()
    return why


async def _shake_hands(
    via: Transport, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> str:
    log_in = via.credentials
    offered = [_NO_PASSWORD, _PASSWORD] if log_in else [_NO_PASSWORD]
    writer.write(bytes([_VERSION, len(offered), *offered]))
    version, chosen = await reader.readexactly(2)
    if version != _VERSION:
        return "it does not speak SOCKS5"
    if chosen not in offered:
        return "it wants a log-in that we do not have"
    if chosen == _PASSWORD and log_in is not None:
        name, secret = log_in.username.encode(), log_in.secret.encode()
        writer.write(bytes([1, len(name)]) + name + bytes([len(secret)]) + secret)
        if (await reader.readexactly(2))[1] != 0:
            return "it refuses our user name and password"
    return ""


async def _addresses_of(name: str, resolver: Resolver | None) -> tuple[str, ...]:
    try:
        return (str(ipaddress.ip_address(name)),)
    except ValueError:
        pass
    if resolver is None:
        return ()
    found = [await follow(resolver, name, kind) for kind in ("AAAA", "A")]
    return tuple(record for answer in found for record in answer.records)


def _words(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
