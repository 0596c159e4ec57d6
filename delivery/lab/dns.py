"""The lab's DNS server: UDP and TCP, EDNS, truncation, and the faults a profile asks for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype

from delivery.lab.answers import Answer, failure, resolve

if TYPE_CHECKING:
    from delivery.lab.zones import Zones

UDP_PAYLOAD = 1232
_LENGTH_BYTES = 2
_TCP_IDLE_SECONDS = 10.0

Peer = tuple[str, int]


class Trouble(StrEnum):
    """What goes wrong with a question."""

    SERVFAIL = "servfail"
    DROP = "drop"
    DELAY = "delay"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFault:
    """Trouble with questions of type `rdtype` ("ANY": all) for `name` and what is below it."""

    trouble: Trouble
    name: str
    rdtype: str = "ANY"
    seconds: float = 0.0
    code: dns.edns.EDECode = dns.edns.EDECode.NO_REACHABLE_AUTHORITY
    text: str = ""

    def hits(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> bool:
        """Whether it concerns this question."""
        return name.is_subdomain(dns.name.from_text(self.name)) and self.rdtype in (
            "ANY",
            dns.rdatatype.to_text(rdtype),
        )


class DnsServer:
    """Answers on one port; knows the zones it is given and nobody else to ask."""

    def __init__(self, zones: Zones, faults: tuple[DnsFault, ...] = (), *, pace: float = 1.0):
        self._zones, self.faults, self._pace = zones, faults, pace
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address, self.port = "", 0

    async def start(self, address: str, port: int) -> None:
        """Listen on `address`; port 0 picks one that is free for both UDP and TCP."""
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve_stream, address, port)
        self.address, self.port = self._tcp.sockets[0].getsockname()[:2]
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(address, self.port)
        )

    async def stop(self) -> None:
        """Stop listening, and forget questions that wait for their answer."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tcp is not None:
            await self._tcp.wait_closed()

    def spawn_answer(self, wire: bytes, transport: asyncio.DatagramTransport, peer: Peer) -> None:
        """Answer one datagram, now or after the delay its fault asks for."""
        self._track(asyncio.ensure_future(self._answer_datagram(wire, transport, peer)))

    def _track(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_datagram(
        self, wire: bytes, transport: asyncio.DatagramTransport, peer: Peer
    ) -> None:
        query = _parsed(wire)
        response = await self._respond(query) if query is not None else None
        if query is None or response is None or transport.is_closing():
            return
        room = max(512, min(query.payload or 512, UDP_PAYLOAD))
        transport.sendto(_to_wire(response, room), peer)

    async def _serve_stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._track(task)
        try:
            await self._answer_stream(reader, writer)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer_stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            async with asyncio.timeout(_TCP_IDLE_SECONDS):
                length = await reader.readexactly(_LENGTH_BYTES)
                wire = await reader.readexactly(int.from_bytes(length, "big"))
            query = _parsed(wire)
            response = await self._respond(query) if query is not None else None
            if response is None:
                return
            answer = response.to_wire(max_size=65535)
            writer.write(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)
            await writer.drain()

    async def _respond(self, query: dns.message.Message) -> dns.message.Message | None:
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            return _message(query, Answer(rcode=dns.rcode.NOTIMP, is_secure=False))
        question = query.question[0]
        for fault in self.faults:
            if fault.hits(question.name, question.rdtype):
                match fault.trouble:
                    case Trouble.DROP:
                        return None
                    case Trouble.SERVFAIL:
                        return _message(query, failure(fault.code, fault.text))
                    case Trouble.DELAY:
                        await asyncio.sleep(fault.seconds * self._pace)
        return _message(query, self._look_up(query))

    def _look_up(self, query: dns.message.Message) -> Answer:
        question = query.question[0]
        return resolve(
            self._zones,
            question.name,
            question.rdtype,
            wants_signatures=bool(query.ednsflags & dns.flags.DO),
            is_checking_disabled=bool(query.flags & dns.flags.CD),
        )


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because in Python 3.11 asyncio's own transport is not an instance of this class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        self._server.spawn_answer(data, self._transport, addr)


def _parsed(wire: bytes) -> dns.message.Message | None:
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    return None if query.flags & dns.flags.QR else query


def _message(query: dns.message.Message, answer: Answer) -> dns.message.Message:
    """Dress `answer` as a validating resolver does (RFC 6840 §5.7, §5.8)."""
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(answer.rcode)
    response.answer, response.authority = answer.answer, answer.authority
    asks_for_ad = bool(query.flags & dns.flags.AD) or bool(query.ednsflags & dns.flags.DO)
    if answer.is_secure and asks_for_ad and not query.flags & dns.flags.CD:
        response.flags |= dns.flags.AD
    if query.edns >= 0:
        options: list[dns.edns.Option] = [answer.error] if answer.error is not None else []
        response.use_edns(0, query.ednsflags & dns.flags.DO, UDP_PAYLOAD, options=options)
    return response


def _to_wire(response: dns.message.Message, room: int) -> bytes:
    try:
        return response.to_wire(max_size=room)
    except dns.exception.TooBig:
        response.answer, response.authority, response.additional = [], [], []
        response.flags |= dns.flags.TC
        response.flags &= ~dns.flags.AD
        return response.to_wire(max_size=room)
