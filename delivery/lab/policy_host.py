"""The HTTPS host that serves every MTA-STS policy of the lab, one certificate for each name."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from delivery.lab.behaviour import StsTrouble
from delivery.lab.tls import TlsLayer

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/.well-known/mta-sts.txt"
_MAX_REQUEST = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One policy host: its certificate, what it serves, and what is wrong with it."""

    context: ssl.SSLContext
    document: str
    trouble: StsTrouble = StsTrouble.NONE

    def respond(self, path: str) -> bytes:
        """Return the whole response to a request for `path`."""
        if path != PATH:
            return _response("404 Not Found", "There is nothing here.\n")
        match self.trouble:
            case StsTrouble.ERROR_500:
                return _response("500 Internal Server Error", "Something broke.\n")
            case StsTrouble.REDIRECT:
                return _response("301 Moved Permanently", "", f"Location: {PATH}?moved")
        return _response("200 OK", self.document)


def _response(status: str, body: str, *headers: str) -> bytes:
    data = body.encode()
    lines = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(data)}",
        "Connection: close",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode() + data


@dataclass(kw_only=True)
class PolicyHost:
    """Every site by its name; a client that asks for an unknown one gets no handshake."""

    sites: Mapping[str, Site]
    fallback: ssl.SSLContext
    fetches: dict[str, int] = field(default_factory=dict)
    sessions: set[_Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.fallback.sni_callback = self._choose

    def _choose(
        self, session: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        site = self.sites.get((name or "").lower())
        if site is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        session.context = site.context
        return None

    def respond(self, host: str, path: str) -> bytes:
        """Return the response of the site that `host` names."""
        name = host.partition(":")[0].lower()
        site = self.sites.get(name)
        if site is None:
            return _response("404 Not Found", "No such host.\n")
        self.fetches[name] = self.fetches.get(name, 0) + 1
        return site.respond(path)

    def close(self) -> None:
        """End every request."""
        for session in list(self.sessions):
            session.abort()


class _Request(asyncio.Protocol):
    """One connection, good for one request."""

    def __init__(self, host: PolicyHost) -> None:
        self._host = host
        self._tls = TlsLayer(host.fallback)
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._host.sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.sessions.discard(self)

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._head += self._tls.receive(data)
        except ssl.SSLError:
            self._finish()
            return
        if b"\r\n\r\n" in self._head:
            self._tls.send(self._respond())
            self._tls.say_goodbye()
            self._finish()
        elif len(self._head) > _MAX_REQUEST or self._tls.is_closed:
            self._finish()
        else:
            self._transport.write(self._tls.outgoing())

    def _finish(self) -> None:
        self._transport.write(self._tls.outgoing())
        self._transport.close()

    def _respond(self) -> bytes:
        request, *lines = self._head.decode("latin-1").split("\r\n")
        method, path, *_ = (*request.split(" "), "", "")
        headers = dict(_header(line) for line in lines if ":" in line)
        if method != "GET":
            return _response("405 Method Not Allowed", "Only GET works here.\n")
        return self._host.respond(headers.get("host", ""), path)


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def request_factory(host: PolicyHost) -> asyncio.Protocol:
    """Return the protocol of one new connection."""
    return _Request(host)
