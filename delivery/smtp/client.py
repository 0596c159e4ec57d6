"""The client's side: commands go in, bytes come out; bytes go in, replies come out.

Rule: replies are matched with commands strictly in order, and a reply nobody asked for, other
than 421, ends the trust in the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from delivery.smtp.commands import (
    Auth,
    Bdat,
    Body,
    Command,
    Ehlo,
    EndOfData,
    Kind,
    Mail,
    StartTls,
)
from delivery.smtp.content import ContentWriter, LineEndings
from delivery.smtp.errors import LocalProtocolError, RemoteProtocolError
from delivery.smtp.events import NEED_DATA, ConnectionClosed, NeedData, ReplyReceived
from delivery.smtp.extensions import Extensions, lacks_smtputf8, missing_for
from delivery.smtp.limits import MAX_UNREAD, Phase
from delivery.smtp.replies import Reply, ReplyParser
from delivery.smtp.states import (
    ASKED_FOR_MORE,
    ENDS_A_GROUP,
    RESTING_IN,
    TRANSACTION,
    WAITING_FOR,
    Answer,
    Machine,
    State,
)

ClientEvent = ReplyReceived | ConnectionClosed | NeedData

_END_OF_DATA = EndOfData()
_NOTHING_KNOWN = Extensions()


class ClientConnection:
    """One connection to a server, as the client sees it.

    Whoever owns the socket writes what `send` and its sisters return, gives what it reads to
    `receive_data`, and asks `next_event` until that says NEED_DATA.
    """

    __slots__ = (
        "_closed",
        "_content",
        "_endings",
        "_error",
        "_has_ended",
        "_machine",
        "_mail",
        "_parser",
        "_pending",
        "extensions",
        "is_authenticated",
        "tls",
    )

    def __init__(self, *, tls: bool = False) -> None:
        self.tls = tls
        self.is_authenticated = False
        self.extensions = _NOTHING_KNOWN
        self._machine = Machine()
        self._parser = ReplyParser()
        self._pending: deque[Command] = deque()
        self._mail: Mail | None = None
        self._content: ContentWriter | None = None
        self._endings = LineEndings()
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
        if self._pending:
            return WAITING_FOR[self._pending[0].kind]
        return RESTING_IN.get(self.state, Phase.IDLE)

    @property
    def pending(self) -> tuple[Command, ...]:
        """The commands whose replies are still to come, oldest first."""
        return tuple(self._pending)

    @property
    def needs_reset(self) -> bool:
        """Whether RSET must come before the next MAIL."""
        return self.state in TRANSACTION

    # What the other side says

    def receive_data(self, chunk: bytes) -> None:
        """Take in what the socket gave; b"" means that the other side closed.

        Raises:
            RemoteProtocolError: far more has arrived than was asked for.
        """
        if not chunk:
            self._has_ended = True
            return
        if self._has_ended:
            raise LocalProtocolError("Data cannot follow the end of the connection.")
        if self._parser.unread > MAX_UNREAD:
            raise self._broken(RemoteProtocolError("The server sends without end."))
        self._parser.receive_data(chunk)

    def next_event(self) -> ClientEvent:
        """Return the next reply, the end of the connection, or NEED_DATA.

        Raises:
            RemoteProtocolError: the server does not speak SMTP. So does every later call.
        """
        if self._error is not None:
            raise self._error
        if self.state is State.TLS_DUE and self._parser.unread:
            raise self._broken(_injected())
        try:
            reply = self._parser.next_reply()
            if reply is not None:
                return self._take(reply)
        except RemoteProtocolError as error:
            raise self._broken(error) from None
        return self._at_end() if self._has_ended else NEED_DATA

    def tls_started(self) -> None:
        """Go on inside TLS, and forget what the server said before (RFC 3207 §4.2).

        Raises:
            RemoteProtocolError: bytes in clear text followed the reply to STARTTLS.
        """
        if self.state is not State.TLS_DUE:
            raise LocalProtocolError("TLS was not agreed on.")
        if self._parser.unread:
            raise self._broken(_injected())
        self.tls = True
        self.is_authenticated = False
        self.extensions = _NOTHING_KNOWN
        self._machine.tls_started()

    # What this side says

    def send(self, command: Command) -> bytes:
        """Return the bytes of one command.

        Raises:
            LocalProtocolError: it is out of order, must not be pipelined here, or needs an
                extension that the server did not announce.
        """
        return self.send_all((command,))

    def send_all(self, commands: Sequence[Command]) -> bytes:
        """Return the bytes of several commands, to be written at once (RFC 2920).

        Raises:
            LocalProtocolError: as for `send`; then none of them counts as sent.
        """
        planned = self._plan(commands)
        mail = self._mail
        for command in commands:
            if isinstance(command, (Bdat, EndOfData)):
                raise LocalProtocolError("Content has its own methods.")
            if isinstance(command, Mail):
                mail = command
            self._check(command, mail)
        if mail is not self._mail:
            self._mail = mail
            self._endings = LineEndings()
        self._machine.sent(planned)
        self._pending.extend(commands)
        return b"".join([command.to_bytes() for command in commands])

    def send_content(self, content: bytes) -> bytes:
        """Return the whole content for DATA, with dots doubled and the lone dot at its end.

        With b"" it is just the lone dot, which is all that may answer a 354 when no
        recipient was accepted.

        Raises:
            LocalProtocolError: content is not due, nobody would get it, a line does not end
                with CRLF, or it has octets that BODY did not announce.
        """
        return self.send_content_piece(content) + self.end_content()

    def send_content_piece(self, piece: bytes) -> bytes:
        """Return a piece of the content for DATA, with dots doubled.

        Raises:
            LocalProtocolError: as for `send_content`.
        """
        if self.state is not State.CONTENT and (piece or self.state is not State.DOT):
            raise LocalProtocolError(f"Content is not due in state {self.state}.")
        if self._machine.planned is not self.state:
            raise LocalProtocolError("The content has ended already.")
        self._check_octets(piece)
        if self._content is None:
            self._content = ContentWriter()
        return self._content.feed(piece)

    def end_content(self) -> bytes:
        """Return the lone dot.

        Raises:
            LocalProtocolError: content is not due, or its last line does not end with CRLF.
        """
        planned = self._machine.plan((Kind.END_OF_DATA,))
        if planned is None or self._pending:
            raise LocalProtocolError(f"Content cannot end in state {self.state}.")
        wire = (self._content or ContentWriter()).finish()
        self._content = None
        self._machine.sent(planned)
        self._pending.append(_END_OF_DATA)
        return wire

    def send_chunk(self, chunk: bytes, *, last: bool) -> bytes:
        """Return a BDAT command and its octets (RFC 3030), which may be pipelined.

        Raises:
            LocalProtocolError: as for `send`; and a CR or LF stands alone, or there are
                octets that BODY did not announce.
        """
        command = Bdat(len(chunk), last)
        planned = self._plan((command,))
        self._check(command, self._mail)
        self._check_octets(chunk)
        self._endings.feed(chunk)
        if last:
            self._endings.finish()
        if not self._endings.is_clean:
            raise LocalProtocolError("Content has a CR or LF that stands alone.")
        if last:
            self._endings = LineEndings()
        self._machine.sent(planned)
        self._pending.append(command)
        return command.to_bytes() + chunk

    # How it is done

    def _plan(self, commands: Sequence[Command]) -> State:
        kinds = [command.kind for command in commands]
        before = [self._pending[-1].kind, *kinds] if self._pending else kinds
        if len(before) > 1:
            if not self.extensions.pipelining:
                raise LocalProtocolError("The server did not announce PIPELINING.")
            if not ENDS_A_GROUP.isdisjoint(before[:-1]):
                raise LocalProtocolError("Nothing may be pipelined behind such a command.")
        planned = self._machine.plan(kinds)
        if planned is None:
            raise LocalProtocolError(f"{', '.join(kinds)} cannot follow {self._machine.planned}.")
        return planned

    def _check(self, command: Command, mail: Mail | None) -> None:
        missing = missing_for(command, self.extensions)
        if missing is not None:
            raise LocalProtocolError(f"The server did not announce {missing}.")
        if lacks_smtputf8(command, mail):
            raise LocalProtocolError("The address needs SMTPUTF8.")
        match command:
            case Mail(requiretls=True) if not self.tls:
                # RFC 8689 §2: the promise is empty where this hop is not protected.
                raise LocalProtocolError("REQUIRETLS needs TLS.")
            case StartTls() if self.tls:
                raise LocalProtocolError("TLS has started already.")
            case Auth() if self.is_authenticated:
                raise LocalProtocolError("One authentication is enough.")

    def _check_octets(self, content: bytes) -> None:
        # RFC 6152 §3: without BODY=8BITMIME the server was promised seven bits.
        is_promised = self._mail is not None and self._mail.body is Body.EIGHT_BIT_MIME
        if not is_promised and not content.isascii():
            raise LocalProtocolError("Content with eight bits needs BODY=8BITMIME.")

    def _take(self, reply: Reply) -> ReplyReceived:
        command = self._pending.popleft() if self._pending else None
        kind = command.kind if command else Kind.GREETING
        if command is None and self.state is not State.GREETING and reply.code != 421:
            raise RemoteProtocolError("The server replied to nothing.", reply=reply)
        _check_class(kind, reply)
        self._machine.answered(kind, reply.code, is_settled=not self._pending)
        if self.state is State.TLS_DUE and self._parser.unread:
            raise _injected()
        if reply.is_positive:
            self._learn(command, reply)
        return ReplyReceived(reply, command)

    def _learn(self, command: Command | None, reply: Reply) -> None:
        if isinstance(command, Ehlo):
            self.extensions = Extensions.from_reply(reply)
        elif command is not None and command.kind is Kind.HELLO:
            self.extensions = Extensions(hostname=reply.lines[0].partition(" ")[0])
        elif command is not None and command.kind in (Kind.AUTH, Kind.AUTH_RESPONSE):
            self.is_authenticated = True

    def _at_end(self) -> ConnectionClosed:
        if self._closed is None:
            self._closed = ConnectionClosed(self.state is State.CLOSING, self.pending)
            self._pending.clear()
            self._machine.closed()
        return self._closed

    def _broken(self, error: RemoteProtocolError) -> RemoteProtocolError:
        self._machine.broke()
        self._error = error
        return error


def _injected() -> RemoteProtocolError:
    return RemoteProtocolError("Clear text followed the reply to STARTTLS.")


def _check_class(kind: Kind, reply: Reply) -> None:
    """Refuse a 3yz that asks for something this side did not offer, and a 2yz to DATA."""
    answer = reply.code // 100
    if (answer == Answer.MORE and kind not in ASKED_FOR_MORE) or (
        answer == Answer.YES and kind is Kind.DATA
    ):
        raise RemoteProtocolError(f"{reply.code} is no reply to {kind}.", reply=reply)
