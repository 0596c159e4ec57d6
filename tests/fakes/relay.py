"""A relay on loopback: it lets only those who log in send mail, and keeps what they send.

The order of the dialogue is the server's half of the engine; SCRAM is the library's server half.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from base64 import b64encode
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

from scramp import ScramException, ScramMechanism

from delivery.sasl.bindings import END_POINT, UNIQUE, tls_server_end_point
from delivery.smtp import (
    NEED_DATA,
    Auth,
    AuthResponse,
    BadCommand,
    Command,
    ConnectionClosed,
    ContentChunk,
    ContentReceived,
    Data,
    Ehlo,
    EnhancedCode,
    Extensions,
    Helo,
    Mail,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    ServerConnection,
    StartTls,
)

ITERATIONS = 4096
ANNOUNCED = Extensions(
    hostname="relay.test", size=10_000_000, pipelining=True, eightbitmime=True, chunking=True
)

Steps = Generator[bytes, bytes, bool]
"""A mechanism's server half: yields challenges, is sent responses, returns whether that will do."""


def _say(code: int, enhanced: tuple[int, int, int], text: str) -> Reply:
    return Reply(code, EnhancedCode(*enhanced), (text,))


OK = _say(250, (2, 0, 0), "Ok")
WELCOME = _say(235, (2, 7, 0), "Welcome")
WRONG = _say(535, (5, 7, 8), "Authentication credentials invalid")
LOG_IN_FIRST = _say(530, (5, 7, 0), "Authentication required")
GO_ON = Reply(354, None, ("Go on",))


@dataclass
class Taken:
    """A message the relay took, with who was logged in."""

    username: str
    mail: Mail
    recipients: list[Rcpt] = field(default_factory=list)
    content: bytes = b""


class Relay:
    """Takes mail on `port`; `mechanisms` are announced inside TLS, `clear_mechanisms` before it.

    `accounts` are passwords by name, `tokens` those of XOAUTH2. `binding` is the kind of channel
    binding it knows ("tls-unique" or "tls-server-end-point"). `answers` replaces the reply to
    AUTH or to a response, by the number of the reply within the log-in. Without a `context` there
    is no TLS; with `is_implicit` there is nothing else.
    """

    def __init__(
        self,
        *,
        accounts: Mapping[str, str] | None = None,
        tokens: Mapping[str, str] | None = None,
        mechanisms: Sequence[str] = ("SCRAM-SHA-256",),
        clear_mechanisms: Sequence[str] = (),
        binding: str = "",
        context: ssl.SSLContext | None = None,
        certificate: bytes = b"",
        is_implicit: bool = False,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.accounts = dict(accounts or {"alice": "wonderland"})
        self.tokens = dict(tokens or {})
        self.mechanisms = tuple(mechanisms)
        self.clear_mechanisms = tuple(clear_mechanisms)
        self.binding = binding
        self.context = context
        self.certificate = certificate
        self.is_implicit = is_implicit
        self.address = address
        self.port = port
        self.answers: dict[int, Reply | None] = {}
        self.log_ins: list[tuple[str, str]] = []
        self.tries: list[str] = []
        self.first_responses: list[bytes] = []
        self.taken: list[Taken] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(
            self._accept,
            self.address,
            self.port,
            ssl=self.context if self.is_implicit else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await _Visit(self, reader, writer).run()
        except (ConnectionError, ssl.SSLError, RemoteProtocolError):
            pass
        except asyncio.CancelledError:
            pass  # the server is being stopped; asyncio's streams of 3.11 would log it
        finally:
            writer.transport.abort()

    # The mechanisms

    def steps_of(self, auth: Auth, connection: ssl.SSLObject | None) -> Steps:
        """Return the server half of the mechanism that `auth` asks for."""
        self.tries.append(auth.mechanism)
        name = auth.mechanism.removesuffix("-PLUS")
        if name.startswith("SCRAM-"):
            return self._scram(auth, connection)
        ways: Mapping[str, Callable[[Auth], Steps]] = {
            "PLAIN": self._plain,
            "LOGIN": self._login,
            "CRAM-MD5": self._cram_md5,
            "XOAUTH2": self._xoauth2,
        }
        return ways[name](auth)

    def _plain(self, auth: Auth) -> Steps:
        response = auth.initial_response
        if response is None:
            response = yield b""
        _, name, secret = response.decode().split("\0")
        return self._lets_in(auth, name, self.accounts.get(name) == secret)

    def _login(self, auth: Auth) -> Steps:
        name = (yield b"Username:").decode()
        secret = (yield b"Password:").decode()
        return self._lets_in(auth, name, self.accounts.get(name) == secret)

    def _cram_md5(self, auth: Auth) -> Steps:
        challenge = b"<1896.697170952@relay.test>"
        name, _, digest = (yield challenge).decode().partition(" ")
        expected = hmac.new(self.accounts.get(name, "-").encode(), challenge, "md5").hexdigest()
        return self._lets_in(auth, name, digest == expected)

    def _xoauth2(self, auth: Auth) -> Steps:
        response = auth.initial_response
        if response is None:
            response = yield b""
        name, token = response.decode().strip("\1").split("\1")
        name, token = name.removeprefix("user="), token.removeprefix("auth=Bearer ")
        if self.tokens.get(name) != token:
            yield b'{"status":"401","schemes":"Bearer","scope":"https://relay.test/"}'
            return False
        return self._lets_in(auth, name, True)

    def _scram(self, auth: Auth, connection: ssl.SSLObject | None) -> Steps:
        mechanism = ScramMechanism(auth.mechanism)
        named: list[str] = []

        def stored(name: str) -> object:
            named.append(name)
            secret = self.accounts.get(name)
            return mechanism.make_auth_info(secret, ITERATIONS) if secret else None

        server = mechanism.make_server(stored, channel_binding=self._bound(connection))
        first = auth.initial_response
        if first is None:
            first = yield b""
        self.first_responses.append(first)
        try:
            server.set_client_first(first.decode())
            final = yield server.get_server_first().encode()
            server.set_client_final(final.decode())
            yield server.get_server_final().encode()
        except ScramException:
            return False
        return self._lets_in(auth, named[0], True)

    def _bound(self, connection: ssl.SSLObject | None) -> tuple[str, bytes] | None:
        if connection is None or not self.binding:
            return None
        if self.binding == UNIQUE:
            return UNIQUE, connection.get_channel_binding("tls-unique") or b"-"
        assert self.binding == END_POINT
        binding = tls_server_end_point(self.certificate)
        assert binding is not None
        return END_POINT, binding.data

    def _lets_in(self, auth: Auth, name: str, is_right: bool) -> bool:
        if is_right:
            self.log_ins.append((name, auth.mechanism))
        return is_right


class _Visit:
    """One connection."""

    def __init__(
        self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._relay, self._reader, self._writer = relay, reader, writer
        has_tls = relay.context is not None
        self._engine = ServerConnection(
            replace(ANNOUNCED, starttls=has_tls, auth=relay.clear_mechanisms),
            tls_extensions=replace(ANNOUNCED, auth=relay.mechanisms),
            tls=relay.is_implicit,
        )
        self._steps: Steps | None = None
        self._number = 0
        self._username = ""
        self._taken: Taken | None = None

    async def run(self) -> None:
        self._writer.write(self._engine.greeting())
        while True:
            event = self._engine.next_event()
            if event is NEED_DATA:
                await self._writer.drain()
                self._engine.receive_data(await self._reader.read(65536))
            elif isinstance(event, ConnectionClosed):
                return
            elif isinstance(event, ContentChunk):
                if self._taken:
                    self._taken.content += event.data
            elif isinstance(event, StartTls):
                self._writer.write(self._engine.reply(_say(220, (2, 0, 0), "Go on")))
                assert self._relay.context is not None
                await self._writer.start_tls(self._relay.context)
                self._engine.tls_started()
            else:
                self._writer.write(self._engine.reply(self._answer(event)))
                if isinstance(event, Quit):
                    await self._writer.drain()
                    return

    def _answer(self, event: Command | BadCommand | ContentReceived) -> Reply:
        match event:
            case BadCommand():
                return event.reply
            case Ehlo() | Helo():
                return self._engine.hello_reply(event)
            case Auth():
                self._number = 0
                self._steps = self._relay.steps_of(event, self._connection())
                return self._log_in(None)
            case AuthResponse():
                return self._log_in(event.data)
            case Mail() if self._relay.mechanisms and not self._engine.is_authenticated:
                return LOG_IN_FIRST
            case Mail():
                self._taken = Taken(self._username, event)
            case Rcpt() if self._taken:
                self._taken.recipients.append(event)
            case Data():
                return GO_ON
            case ContentReceived() if event.is_last and self._taken:
                self._relay.taken.append(self._taken)
        return OK

    def _log_in(self, response: bytes | None) -> Reply:
        own = self._relay.answers.get(self._number)
        self._number += 1
        if own is not None:
            return own
        assert self._steps is not None
        try:
            challenge = next(self._steps) if response is None else self._steps.send(response)
        except StopIteration as end:
            if end.value:
                self._username = self._relay.log_ins[-1][0]
            return WELCOME if end.value else WRONG
        return Reply(334, None, (b64encode(challenge).decode(),))

    def _connection(self) -> ssl.SSLObject | None:
        found = self._writer.get_extra_info("ssl_object")
        return found if isinstance(found, ssl.SSLObject) else None
