"""A name server on loopback that answers as a script says, by UDP and TCP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import TracebackType
from typing import cast

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Script = Callable[[dns.message.Message], dns.message.Message | None]


def response(
    query: dns.message.Message,
    *records: str,
    ad: bool = False,
    rcode: int = dns.rcode.NOERROR,
    soa: str = "",
    extended: tuple[int, str] | None = None,
) -> dns.message.Message:
    """Make a response; `records` are lines of a zone file, `soa` one for the authority section."""
    made = dns.message.make_response(query, recursion_available=True)
    made.set_rcode(dns.rcode.from_text(dns.rcode.to_text(dns.rcode.Rcode(rcode))))
    if ad:
        made.flags |= dns.flags.AD
    made.answer = [_rrset(line) for line in records]
    made.authority = [_rrset(soa)] if soa else []
    if extended:
        option = dns.edns.EDEOption(dns.edns.EDECode(extended[0]), extended[1] or None)
        made.use_edns(0, 0, 1232, options=[option])
    return made


def _rrset(line: str) -> dns.rrset.RRset:
    name, ttl, _, kind, *data = line.split()
    return dns.rrset.from_text(name, int(ttl), "IN", kind, " ".join(data))


class DnsServer:
    """`async with DnsServer(script) as server`: `server.port`; `server.seen` has the queries."""

    def __init__(self, script: Script, *, truncates: bool = False, address: str = "127.0.0.1"):
        self._script = script
        self._truncates = truncates
        self.address = address
        self.port = 0
        self.seen: list[dns.message.Message] = []
        self.by_tcp = 0

    async def __aenter__(self) -> DnsServer:
        tcp = socket.create_server((self.address, 0))
        self.port = tcp.getsockname()[1]
        self._tcp = await asyncio.start_server(self._serve, sock=tcp)
        self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Udp(self), local_addr=(self.address, self.port)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    def answer(self, wire: bytes, *, by_tcp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        self.seen.append(query)
        self.by_tcp += by_tcp
        if self._truncates and not by_tcp:
            cut = dns.message.make_response(query)
            cut.flags |= dns.flags.TC
            return cut.to_wire()
        said = self._script(query)
        return said.to_wire(max_size=65535) if said else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        said = self.answer(await reader.readexactly(size), by_tcp=True)
        if said:
            writer.write(len(said).to_bytes(2, "big") + said)
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        said = self._server.answer(data, by_tcp=False)
        if said:
            self._transport.sendto(said, addr)
