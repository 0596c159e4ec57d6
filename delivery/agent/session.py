"""One SMTP session: drives the engine over one connection, up to the point where mail may be sent.

The engine knows the order of the dialogue, this module the seconds: each phase of RFC 5321
§4.5.3.2 has its own patience, re-armed whenever something arrives.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from delivery.agent import outcomes, tls
from delivery.agent.chunking import BrokenChunking, Chunking
from delivery.agent.clock import Clock
from delivery.agent.config import AgentConfig
from delivery.agent.dialogue import Dialogue, heard, spoken
from delivery.agent.errors import LostError, RefusedError, SessionError, SilentError, TlsError
from delivery.agent.observer import NOBODY, Observer
from delivery.agent.roots import trusted_roots
from delivery.agent.transcript import Transcript
from delivery.agent.wire import Wire
from delivery.policy.facts import (
    HostFacts,
    SessionEvidence,
    Starttls,
    TlsEvidence,
)
from delivery.policy.outcome import Scope
from delivery.policy.reasons import Reason
from delivery.policy.requirements import Demand
from delivery.policy.transport import Kind as TransportKind
from delivery.policy.transport import Transport
from delivery.smtp import (
    NEED_DATA,
    TIMEOUTS,
    ClientConnection,
    Command,
    ConnectionClosed,
    Ehlo,
    Helo,
    Kind,
    Phase,
    Quit,
    RemoteProtocolError,
    Reply,
    StartTls,
    State,
)

BLOCK = 64 * 1024
MOST_TRANSACTIONS = 100
MAY_QUIT = frozenset({State.HELLO, State.READY, State.MAIL, State.RCPT, State.CLOSING})
EHLO_IS_UNKNOWN = frozenset({500, 501, 502, 503, 504})


class Care(Enum):
    """How a session treats TLS; each is tried after the one before it failed."""

    USUAL = "usual"
    TLS_1_2 = "tls-1.2"
    """Once more, with the version whose failures show during the handshake."""

    PLAIN = "plain"
    """TLS was offered and does not work, and nothing demands it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a session leads, and what it must show there."""

    host: HostFacts
    address: str
    demand: Demand
    is_in_sts_policy: bool = False
    """Whether an enforced MTA-STS policy of the recipient's domain names this host."""

    via: Transport | None = None
    """By which way; None is plainly direct."""

    @property
    def gate(self) -> str:
        """Under which name the host's health is remembered."""
        return self.via.gate(self.host.name) if self.via else self.host.name

    @property
    def is_tls_from_the_start(self) -> bool:
        """RFC 8314 §3.3: no STARTTLS, the greeting comes over TLS."""
        return self.via is not None and self.via.kind is TransportKind.SUBMISSIONS


class Session:
    """A session with one server, from the greeting to QUIT."""

    def __init__(
        self,
        wire: Wire,
        target: Target,
        *,
        config: AgentConfig,
        clock: Clock,
        earlier: TlsEvidence | None = None,
        broken_chunking: BrokenChunking | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self.target = target
        self.transcript = Transcript()
        self.dialogue = Dialogue(target.host.name, target.address)
        self.transactions = 0
        self.opened_at: datetime = clock.now()
        self.smtp = ClientConnection()
        self.mechanism = ""
        """By which it has logged in; empty as long as it has not."""

        self._wire = wire
        self.observer = observer
        self._loop_time = asyncio.get_running_loop().time
        self._asked_at = self._loop_time()
        self._config = config
        self._clock = clock
        self._tls = earlier
        self._evidence: SessionEvidence | None = None
        self._has_said_hello = False
        self._is_first_read_over_tls = False
        self._broken_chunking = broken_chunking or BrokenChunking()
        is_broken = target.address in self._broken_chunking
        self.chunking = Chunking.BROKEN if is_broken else Chunking.UNTRIED

    # What the session showed

    @property
    def host(self) -> str:
        """The name of the server."""
        return self.target.host.name

    @property
    def tls_connection(self) -> ssl.SSLObject | None:
        """The TLS connection underneath, once there is one."""
        return self._wire.ssl_object if self.smtp.tls else None

    @property
    def time_scale(self) -> float:
        """What multiplies every time-out."""
        return self._config.time_scale

    @property
    def evidence(self) -> SessionEvidence | None:
        """What the session has shown so far; None until EHLO was answered."""
        if self._tls is None or not self._has_said_hello:
            return None
        if self._evidence is None or self._evidence.tls is not self._tls:
            announced = self.smtp.extensions
            self._evidence = SessionEvidence(
                host=self.host,
                tls=self._tls,
                offers_requiretls=announced.requiretls and self._tls.is_encrypted,
                extensions=frozenset(line.split()[0].upper() for line in announced.keywords()),
            )
        return self._evidence

    @property
    def can_be_used_again(self) -> bool:
        """Whether another message may follow: there is room, and the dialogue is at rest."""
        most = min(self.smtp.extensions.limits.mailmax or MOST_TRANSACTIONS, MOST_TRANSACTIONS)
        at_rest = self.smtp.state is State.READY or self.smtp.needs_reset
        return self.transactions < most and at_rest and not self.smtp.pending and self._wire.is_open

    # Up to the point where mail may be sent

    async def open(self, care: Care, *, is_implicit: bool = False) -> None:
        """Take the greeting, say EHLO, and go on in TLS if it is offered.

        With `is_implicit`, or where the target says so, TLS comes first of all (RFC 8314 §3.3).

        Raises:
            RefusedError: the server does not want a session.
            TlsError: STARTTLS was agreed on, and TLS did not work.
            LostError: the session ended.
        """
        if is_implicit or self.target.is_tls_from_the_start:
            await self._shake_hands(care)
            self.smtp = ClientConnection(tls=True)
            self._is_first_read_over_tls = True
        greeting = await self.reply()
        if greeting.code != 220:
            raise RefusedError(outcomes.refused(self.host, greeting, Kind.GREETING, Scope.HOST))
        await self._say_hello()
        if care is Care.PLAIN or self.smtp.tls:
            return
        if not self.smtp.extensions.starttls:
            self._tls = TlsEvidence(
                starttls=Starttls.NOT_OFFERED, reason=Reason.STARTTLS_NOT_SUPPORTED
            )
            return
        await self._start_tls(care)

    async def _say_hello(self) -> None:
        reply = await self.exchange(Ehlo(self._own_name))
        if reply.code in EHLO_IS_UNKNOWN and not self.smtp.tls:
            # Where TLS is demanded, its absence is what the copy waits for, not this reply.
            reply = await self.exchange(Helo(self._own_name))
        if not reply.is_positive:
            raise RefusedError(outcomes.refused(self.host, reply, Kind.HELLO, Scope.HOST))
        self._has_said_hello = True

    @property
    def _own_name(self) -> str:
        via = self.target.via
        return (via.ehlo_name if via else "") or self._config.hostname

    async def _start_tls(self, care: Care) -> None:
        try:
            reply = await self.exchange(StartTls())
        except LostError as error:
            raise self._tls_broke(str(error)) from error
        if reply.code == 421:
            raise RefusedError(outcomes.refused(self.host, reply, Kind.STARTTLS, Scope.HOST))
        if not reply.is_positive:
            self._tls = tls.failed(reply.whole, reason=Reason.STARTTLS_NOT_SUPPORTED)
            return
        await self._shake_hands(care)
        # RFC 3207 §4.2: what was announced in clear text is forgotten and asked for again.
        self.smtp.tls_started()
        self._has_said_hello = False
        self._is_first_read_over_tls = True
        await self._say_hello()

    async def _shake_hands(self, care: Care) -> None:
        if self._wire.has_unread:
            raise self._tls_broke("clear text followed the reply to STARTTLS")
        host = self.target.host
        try:
            await self._wire.start_tls(
                tls.client_context(at_most_1_2=care is Care.TLS_1_2),
                tls.server_name(host),
                TIMEOUTS[Phase.TLS] * self._config.time_scale,
            )
        except OSError as error:
            raise self._tls_broke(tls.why(error)) from error
        connection = self._wire.ssl_object
        if connection is None:
            raise self._tls_broke("the connection was closed during the handshake")
        self._tls = tls.examine(
            connection,
            host,
            is_in_sts_policy=self.target.is_in_sts_policy,
            roots=trusted_roots(self._config.ca_file),
            now=self._clock.now(),
        )
        self.note(f"{self._tls.version} {self._tls.cipher}")

    def _tls_broke(self, detail: str) -> TlsError:
        self._wire.abort()
        self._has_said_hello = True
        self._tls = tls.failed(detail)
        self.note(f"TLS failed: {detail}")
        return TlsError(outcomes.tls_failed(self.host, detail))

    # Commands and replies

    async def exchange(self, command: Command) -> Reply:
        """Send one command and return its reply."""
        self.send((command,))
        return await self.reply()

    def send(
        self, commands: Sequence[Command], *, chunk: bytes | None = None, is_last: bool = False
    ) -> None:
        """Send commands, and behind them a chunk, in one go; their replies come one by one."""
        wire = self.smtp.send_all(commands)
        self.transcript.add("C", spoken(commands, wire))
        self.dialogue.commands(commands, wire)
        if chunk is not None:
            wire += self._chunk(chunk, is_last=is_last)
        self._wire.write(wire)
        self._asked_at = self._loop_time()

    async def reply(self) -> Reply:
        """Return the next reply.

        Raises:
            LostError: the session ended first.
            TlsError: the server broke TLS off with its first bytes after the handshake.
        """
        try:
            while (event := self.smtp.next_event()) is NEED_DATA:
                self.smtp.receive_data(await self._receive())
        except RemoteProtocolError as error:
            self._wire.abort()
            self.note(str(error))
            raise LostError(outcomes.not_smtp(self.host, str(error))) from error
        if isinstance(event, ConnectionClosed):
            raise self._ended("the server closed the connection")
        self._is_first_read_over_tls = False
        self.transcript.add("S", heard(event.reply, event.command))
        self.dialogue.reply(event.reply, event.command)
        kind = event.command.kind if event.command else Kind.GREETING
        self.observer.command_answered(kind, event.reply.code, self._loop_time() - self._asked_at)
        return event.reply

    async def _receive(self) -> bytes:
        seconds = TIMEOUTS[self.smtp.phase] * self._config.time_scale
        try:
            async with asyncio.timeout(seconds):
                return await self._wire.receive()
        except TimeoutError:
            lost = self._lost(f"no answer for {seconds:g} seconds")
            raise SilentError(lost.outcome) from None
        except ssl.SSLError as error:
            raise self._ended(f"TLS broke: {tls.why(error)}") from error
        except OSError as error:
            raise self._ended("the connection broke") from error

    def _ended(self, why: str) -> SessionError:
        """Tell a session that ended from a TLS handshake that was refused.

        TLS 1.3 servers refuse after the client believes the handshake done: by an alert, or by
        just closing, where the first answer should come.
        """
        return self._tls_broke(why) if self._is_first_read_over_tls else self._lost(why)

    def _lost(self, why: str) -> LostError:
        self._wire.abort()
        self.note(why)
        return LostError(outcomes.lost(self.host, why))

    async def send_content(self, content: bytes) -> None:
        """Send the content after 354, in blocks that each have their time.

        What breaks here shows as a missing reply: the server may have said why before it closed.
        """
        wire = self.smtp.send_content(content)
        said = f"({len(content)} octets of content)\n."
        self.transcript.add("C", said)
        self.dialogue.content(content, said)
        await self._write(wire)

    async def send_chunk(self, chunk: bytes, *, is_last: bool) -> None:
        """Send a chunk (RFC 3030), as `send_content` does; its reply is still to come."""
        await self._write(self._chunk(chunk, is_last=is_last))

    def chunking_is_broken(self) -> None:
        """Note that BDAT does not work here although it was announced."""
        self.chunking = Chunking.BROKEN
        self._broken_chunking.add(self.target.address)

    def _chunk(self, chunk: bytes, *, is_last: bool) -> bytes:
        wire = self.smtp.send_chunk(chunk, last=is_last)
        command = wire[: len(wire) - len(chunk)].decode()
        octets = "octet" if len(chunk) == 1 else "octets"
        said = f"{command}({len(chunk)} {octets} of content)"
        self.transcript.add("C", said)
        self.dialogue.content(chunk, said)
        return wire

    async def _write(self, wire: bytes) -> None:
        seconds = TIMEOUTS[Phase.CONTENT] * self._config.time_scale
        for start in range(0, len(wire), BLOCK):
            self._wire.write(wire[start : start + BLOCK])
            if self._wire.can_write:
                continue
            try:
                async with asyncio.timeout(seconds):
                    await self._wire.drain()
            except TimeoutError:
                raise self._lost(f"the server took no content for {seconds:g} seconds") from None
        self._asked_at = self._loop_time()

    def note(self, what: str) -> None:
        """Note what happened to the session itself."""
        self.transcript.add("*", what)
        self.dialogue.note(what)

    # The end

    async def close(self) -> None:
        """Say QUIT if that is possible, and close without waiting for anything else."""
        try:
            if self.smtp.state in MAY_QUIT and not self.smtp.pending and self._wire.is_open:
                await self.exchange(Quit())
        except SessionError:
            pass
        finally:
            self._wire.abort()

    def abort(self) -> None:
        """Close at once."""
        self._wire.abort()
