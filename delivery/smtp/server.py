"""The server's side: bytes go in, commands come out; replies go in, bytes come out.

Rules:
- One event at a time is open: it gets its reply before the next one is told. So no command is
  judged on the hope that an earlier one will be accepted, and a pipelined group still costs one
  write: collect what `reply` returns until NEED_DATA.
- What a client may not say here comes as a `BadCommand`, with the reply it deserves.
"""

from __future__ import annotations

from dataclasses import replace

from delivery.smtp.commands import Bdat, Command, Ehlo, Helo, Kind, Mail, StartTls
from delivery.smtp.content import Intake
from delivery.smtp.errors import LocalProtocolError, RemoteProtocolError
from delivery.smtp.events import (
    NEED_DATA,
    BadCommand,
    ConnectionClosed,
    ContentChunk,
    ContentReceived,
    NeedData,
)
from delivery.smtp.extensions import Extensions
from delivery.smtp.limits import MAX_AUTH_LINE, MAX_UNREAD, Phase
from delivery.smtp.parsing import CommandSyntaxError, parse_auth_response, parse_command
from delivery.smtp.refusals import BAD_SEQUENCE, BARE_LINE_END, TOO_LARGE, refusal_of
from delivery.smtp.replies import Reply
from delivery.smtp.states import RESTING_IN, Machine, State

_TAKES_CONTENT = frozenset({State.CONTENT, State.DOT})
_HEARS_NOTHING = frozenset({State.GREETING, State.TLS_DUE, State.CLOSING, State.CLOSED})

ServerEvent = Command | BadCommand | ContentChunk | ContentReceived | ConnectionClosed | NeedData


class ServerConnection:
    """One connection from a client, as the server sees it.

    `extensions` is what EHLO announces, and `tls_extensions` what it announces inside TLS; by
    default the same without STARTTLS. `max_message_size` is the announced SIZE unless given.
    """

    __slots__ = (
        "_buffer",
        "_chunk",
        "_clear_extensions",
        "_closed",
        "_error",
        "_has_ended",
        "_intake",
        "_is_skipping",
        "_machine",
        "_mail",
        "_max_message_size",
        "_open",
        "_open_command",
        "_refusal",
        "_tls_extensions",
        "bad_commands",
        "is_authenticated",
        "spoke_early",
        "tls",
    )

    def __init__(
        self,
        extensions: Extensions,
        *,
        tls_extensions: Extensions | None = None,
        tls: bool = False,
        max_message_size: int | None = None,
    ) -> None:
        self.tls = tls
        self.is_authenticated = False
        self.bad_commands = 0
        self.spoke_early = False
        self._clear_extensions = extensions
        self._tls_extensions = tls_extensions or replace(extensions, starttls=False)
        self._max_message_size = max_message_size
        self._machine = Machine()
        self._buffer = bytearray()
        self._is_skipping = False
        self._open: Kind | None = None
        self._open_command: Command | None = None
        self._mail: Mail | None = None
        self._intake = Intake()
        self._chunk: Bdat | None = None
        self._refusal: Reply | None = None
        self._has_ended = False
        self._closed: ConnectionClosed | None = None
        self._error: RemoteProtocolError | None = None

    @property
    def state(self) -> State:
        """What the replies so far have established."""
        return self._machine.state

    @property
    def phase(self) -> Phase:
        """What is being waited for; `limits.TIMEOUTS` has the seconds."""
        return Phase.CONTENT if self._chunk else RESTING_IN.get(self.state, Phase.IDLE)

    @property
    def extensions(self) -> Extensions:
        """What EHLO announces now."""
        return self._tls_extensions if self.tls else self._clear_extensions

    @property
    def max_message_size(self) -> int | None:
        """How many octets a message may have; None if any number."""
        return self._max_message_size or self.extensions.size or None

    # What the other side says

    def receive_data(self, chunk: bytes) -> None:
        """Take in what the socket gave; b"" means that the other side closed.

        Raises:
            RemoteProtocolError: the client goes on and on without waiting for replies.
        """
        if not chunk:
            self._has_ended = True
            return
        if self._has_ended:
            raise LocalProtocolError("Data cannot follow the end of the connection.")
        if len(self._buffer) > MAX_UNREAD:
            raise self._broken(RemoteProtocolError("The client sends without end."))
        self._buffer += chunk

    def next_event(self) -> ServerEvent:
        """Return what the client says next, or NEED_DATA.

        Commands, `BadCommand` and `ContentReceived` each await a `reply`.

        Raises:
            RemoteProtocolError: the client does not speak SMTP. So does every later call.
            LocalProtocolError: the event before still awaits its reply.
        """
        if self._error is not None:
            raise self._error
        if self._open is not None:
            raise LocalProtocolError(f"The reply to {self._open} is due.")
        try:
            event = self._next()
        except RemoteProtocolError as error:
            raise self._broken(error) from None
        if event is not None:
            return event
        return self._at_end() if self._has_ended else NEED_DATA

    def tls_started(self) -> None:
        """Go on inside TLS, and forget what the client said before (RFC 3207 §4.2).

        Raises:
            RemoteProtocolError: bytes in clear text followed STARTTLS.
        """
        if self.state is not State.TLS_DUE:
            raise LocalProtocolError("TLS was not agreed on.")
        if self._buffer:
            raise self._broken(_injected())
        self.tls = True
        self.is_authenticated = False
        self._mail = None
        self._machine.tls_started()

    # What this side says

    def greeting(self, reply: Reply | None = None) -> bytes:
        """Return the first words: 220 and the host's name, unless `reply` says otherwise.

        Afterwards `spoke_early` says whether the client could not wait for them.
        """
        if self.state is not State.GREETING:
            raise LocalProtocolError("The greeting has been sent already.")
        self.spoke_early = bool(self._buffer)
        reply = reply or Reply(220, None, (f"{self.extensions.hostname} ESMTP",))
        self._machine.answered(Kind.GREETING, reply.code)
        return reply.to_bytes()

    def hello_reply(self, command: Ehlo | Helo) -> Reply:
        """Return the reply to EHLO, with all keywords, or to HELO, with the name alone."""
        if isinstance(command, Ehlo):
            return self.extensions.to_reply()
        return Reply(250, None, (self.extensions.hostname,))

    def reply(self, reply: Reply) -> bytes:
        """Return the bytes that answer the open event. A 421 may be sent without one.

        Raises:
            LocalProtocolError: nothing awaits a reply.
            RemoteProtocolError: STARTTLS was to be accepted, but the client went on in clear
                text already.
        """
        kind, command = self._open, self._open_command
        if kind is None and reply.code != 421:
            raise LocalProtocolError("Nothing awaits a reply.")
        self._open = self._open_command = None
        self._machine.answered(kind or Kind.INFO, reply.code)
        self._follow(command, reply)
        return reply.to_bytes()

    # How it is done

    def _follow(self, command: Command | None, reply: Reply) -> None:
        """Do what a reply leads to, beyond the change of state."""
        match self.state:
            case State.CONTENT | State.DOT:
                self._intake = Intake(self.max_message_size)
                self._intake.expect_dot()
            case State.TLS_DUE if self._buffer:
                raise self._broken(_injected())
            case State.MAIL if isinstance(command, Mail):
                self._mail = command
                self._intake = Intake(self.max_message_size)
            case State.READY if command is not None and reply.is_positive:
                authenticates = command.kind in (Kind.AUTH, Kind.AUTH_RESPONSE)
                self.is_authenticated = self.is_authenticated or authenticates

    def _next(self) -> ServerEvent | None:
        state = self._machine.state
        if state in _HEARS_NOTHING:
            self._hear_nothing(state)
            return None
        if self._chunk is not None or state in _TAKES_CONTENT:
            return self._next_content()
        return self._next_command()

    def _hear_nothing(self, state: State) -> None:
        if state is State.TLS_DUE and self._buffer:
            raise _injected()
        if state is State.CLOSING:
            self._buffer.clear()

    def _next_command(self) -> ServerEvent | None:
        is_response = self.state is State.AUTH
        try:
            line = self._take_line()
            if line is None:
                return None
            command = parse_auth_response(line) if is_response else parse_command(line)
        except CommandSyntaxError as error:
            self._open = Kind.AUTH_RESPONSE if is_response else Kind.UNKNOWN
            self.bad_commands += 1
            return BadCommand(error.reply)
        refusal = self._refusal_of(command)
        if isinstance(command, Bdat):
            self._chunk, self._refusal = command, refusal
            if refusal is not None:
                self._intake = Intake(limit=0)
            self._intake.expect(command.size)
            return self._next_content()
        if refusal is None and isinstance(command, StartTls) and self._buffer:
            raise _injected()
        return self._opened(command, refusal)

    def _refusal_of(self, command: Command) -> Reply | None:
        if not self._machine.allows(command.kind) or self._is_repeated(command.kind):
            return BAD_SEQUENCE
        return refusal_of(
            command, self._mail, self.extensions, tls=self.tls, limit=self.max_message_size
        )

    def _is_repeated(self, kind: Kind) -> bool:
        """Return whether `kind` may come only once, and has come."""
        return (kind is Kind.STARTTLS and self.tls) or (kind is Kind.AUTH and self.is_authenticated)

    def _opened(self, command: Command, refusal: Reply | None) -> ServerEvent:
        self._open, self._open_command = command.kind, command
        if refusal is None:
            return command
        self.bad_commands += 1
        return BadCommand(refusal, command)

    def _take_line(self) -> bytes | None:
        """Return the next line without its end, or None if it is not complete.

        Raises:
            CommandSyntaxError: it is too long, or ends with a lone LF.
        """
        buffer = self._buffer
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) > MAX_AUTH_LINE:
                self._is_skipping = True
                buffer.clear()
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        if self._is_skipping or len(line) >= MAX_AUTH_LINE:
            self._is_skipping = False
            raise CommandSyntaxError(500, (5, 5, 6), "The line is too long")
        if not line.endswith(b"\r"):
            raise CommandSyntaxError(500, (5, 5, 2), "A line ends with CR and LF")
        return line[:-1]

    def _next_content(self) -> ServerEvent | None:
        """Take content, whether DATA or a BDAT brings it; also that of a BDAT that is refused."""
        if not self._intake.is_done and (content := self._intake.take(self._buffer)):
            return ContentChunk(content)
        if not self._intake.is_done:
            return None
        chunk, self._chunk = self._chunk, None
        if chunk is not None and self._refusal is not None:
            self._intake = Intake(self.max_message_size)
            return self._opened(chunk, self._refusal)
        return self._received(chunk.kind if chunk else Kind.END_OF_DATA)

    def _received(self, kind: Kind) -> ContentReceived:
        self._open = kind
        is_last = kind is not Kind.CHUNK
        if is_last:
            self._intake.finish()
        problem = None if self._intake.is_clean else BARE_LINE_END
        if self._intake.is_too_large:
            problem = TOO_LARGE
        return ContentReceived(self._intake.size, is_last=is_last, problem=problem)

    def _at_end(self) -> ConnectionClosed:
        if self._closed is None:
            self._closed = ConnectionClosed(is_clean=self.state is State.CLOSING)
            self._machine.closed()
        return self._closed

    def _broken(self, error: RemoteProtocolError) -> RemoteProtocolError:
        self._machine.broke()
        self._error = error
        return error


def _injected() -> RemoteProtocolError:
    return RemoteProtocolError("Clear text followed STARTTLS.")
