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
from delivery.smtp.content import ContentReader, LineEndings
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
from delivery.smtp.refusals import BARE_LINE_END, TOO_LARGE, refusal_of
from delivery.smtp.replies import Reply
from delivery.smtp.states import RESTING_IN, Machine, State

ServerEvent = Command | BadCommand | ContentChunk | ContentReceived | ConnectionClosed | NeedData


class ServerConnection:
    """One connection from a client, as the server sees it.

    `extensions` is what EHLO announces, and `tls_extensions` what it announces inside TLS; by
    default the same without STARTTLS. `max_message_size` is the announced SIZE unless given.
    """

    __slots__ = (
        "_buffer",
        "_chunk",
        "_chunk_left",
        "_chunk_refusal",
        "_clear_extensions",
        "_closed",
        "_endings",
        "_error",
        "_has_ended",
        "_is_skipping",
        "_machine",
        "_max_message_size",
        "_open",
        "_open_command",
        "_reader",
        "_size",
        "_tls_extensions",
        "bad_commands",
        "is_authenticated",
        "mail",
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
        self.mail: Mail | None = None
        self._clear_extensions = extensions
        self._tls_extensions = tls_extensions or replace(extensions, starttls=False)
        self._max_message_size = max_message_size
        self._machine = Machine()
        self._buffer = bytearray()
        self._is_skipping = False
        self._open: Kind | None = None
        self._open_command: Command | None = None
        self._reader = ContentReader()
        self._endings = LineEndings()
        self._size = 0
        self._chunk: Bdat | None = None
        self._chunk_left = 0
        self._chunk_refusal: Reply | None = None
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

    @property
    def takes_utf8(self) -> bool:
        """Whether the transaction was opened with SMTPUTF8."""
        return self.mail is not None and self.mail.smtputf8

    def allows(self, command: Command) -> bool:
        """Return whether `command` may come now; once is enough for STARTTLS and for AUTH."""
        is_repeated = (self.tls and command.kind is Kind.STARTTLS) or (
            self.is_authenticated and command.kind is Kind.AUTH
        )
        return self._machine.allows(command.kind) and not is_repeated

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
        self.mail = None
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
                self._reader = ContentReader()
                self._size = 0
            case State.TLS_DUE if self._buffer:
                raise self._broken(_injected())
            case State.MAIL if isinstance(command, Mail):
                self.mail = command
                self._endings = LineEndings()
                self._size = 0
            case State.READY if command is not None and reply.is_positive:
                authenticates = command.kind in (Kind.AUTH, Kind.AUTH_RESPONSE)
                self.is_authenticated = self.is_authenticated or authenticates

    def _next(self) -> ServerEvent | None:
        match self.state:
            case State.CONTENT | State.DOT:
                return self._next_content()
            case State.TLS_DUE if self._buffer:
                raise _injected()
            case State.CLOSING:
                self._buffer.clear()
                return None
            case State.GREETING | State.TLS_DUE | State.CLOSED:
                return None
            case _:
                return self._next_chunk(self._chunk) if self._chunk else self._next_command()

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
        refusal = refusal_of(command, self)
        if isinstance(command, Bdat):
            self._chunk, self._chunk_left, self._chunk_refusal = command, command.size, refusal
            return self._next_chunk(command)
        if refusal is None and isinstance(command, StartTls) and self._buffer:
            raise _injected()
        return self._opened(command, refusal)

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
            raise CommandSyntaxError(500, 6, "The line is too long")
        if not line.endswith(b"\r"):
            raise CommandSyntaxError(500, 2, "A line ends with CR and LF")
        return line[:-1]

    def _next_content(self) -> ServerEvent | None:
        if not self._reader.is_done:
            content, rest = self._reader.feed(bytes(self._buffer))
            self._buffer[:] = rest
            if self._takes(content):
                return ContentChunk(content)
        if not self._reader.is_done:
            return None
        return self._received(Kind.END_OF_DATA, is_clean=self._reader.is_clean)

    def _next_chunk(self, chunk: Bdat) -> ServerEvent | None:
        """Take the octets of a BDAT; all of them, also those of one that is refused."""
        content = bytes(self._buffer[: self._chunk_left])
        del self._buffer[: self._chunk_left]
        self._chunk_left -= len(content)
        if self._chunk_refusal is None:
            self._endings.feed(content)
            if self._takes(content):
                return ContentChunk(content)
        if self._chunk_left:
            return None
        self._chunk = None
        if self._chunk_refusal is not None:
            return self._opened(chunk, self._chunk_refusal)
        if chunk.last:
            self._endings.finish()
        return self._received(chunk.kind, is_clean=self._endings.is_clean)

    def _takes(self, content: bytes) -> bool:
        self._size += len(content)
        return bool(content) and not self._is_too_large

    @property
    def _is_too_large(self) -> bool:
        limit = self.max_message_size
        return limit is not None and self._size > limit

    def _received(self, kind: Kind, *, is_clean: bool) -> ContentReceived:
        problem = None if is_clean else BARE_LINE_END
        if self._is_too_large:
            problem = TOO_LARGE
        self._open = kind
        return ContentReceived(self._size, is_last=kind is not Kind.CHUNK, problem=problem)

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
