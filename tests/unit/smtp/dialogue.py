"""A client and a server wired back to back, with a network between them that cuts anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import cycle

from delivery.smtp import (
    NEED_DATA,
    BadCommand,
    ClientConnection,
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
    Reply,
    ReplyReceived,
    ServerConnection,
    StartTls,
    State,
)
from delivery.smtp.server import ServerEvent

OK = Reply(250, EnhancedCode(2, 0, 0), ("Ok",))
REFUSED = Reply(550, EnhancedCode(5, 1, 1), ("No such", "mailbox"))
EXTENSIONS = Extensions(
    hostname="mx.dane.test",
    size=10000,
    pipelining=True,
    eightbitmime=True,
    starttls=True,
    chunking=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message for somebody to send; addresses that begin with "no" do not exist."""

    content: bytes
    recipients: tuple[str, ...]
    chunk_size: int = 0  # 0: DATA


@dataclass(slots=True)
class Mailbox:
    """The server's driver: what arrived, and how it is answered."""

    connection: ServerConnection
    messages: list[bytes] = field(default_factory=list)
    events: list[ServerEvent] = field(default_factory=list)
    _content: bytes = b""

    def hear(self, piece: bytes) -> bytes:
        """Answer everything that can be answered."""
        self.connection.receive_data(piece)
        wire = b""
        while (event := self.connection.next_event()) is not NEED_DATA:
            if isinstance(event, ContentChunk):
                self._content += event.data
                continue
            self.events.append(event)
            if isinstance(event, ConnectionClosed):
                break
            wire += self.connection.reply(self._answer(event))
        return wire

    def _answer(self, event: ServerEvent) -> Reply:
        match event:
            case Ehlo() | Helo():
                return self.connection.hello_reply(event)
            case Rcpt(address=address) if address.startswith("no"):
                return REFUSED
            case StartTls():
                return Reply(220)
            case Data():
                return Reply(354, None, ("Go on",))
            case ContentReceived():
                return self._received(event)
            case Quit():
                return Reply(221)
            case BadCommand():
                return event.reply
            case _:
                return OK

    def _received(self, event: ContentReceived) -> Reply:
        if event.is_last:
            self.messages.append(self._content)
            self._content = b""
        return event.problem or OK


class Dialogue:
    """Client, network and server."""

    def __init__(
        self, extensions: Extensions = EXTENSIONS, sizes: Iterable[int] = (10**6,)
    ) -> None:
        self.client = ClientConnection()
        self.mailbox = Mailbox(ServerConnection(extensions))
        self.replies: list[ReplyReceived] = []
        self._sizes = cycle(sizes)
        self._hear(self.mailbox.connection.greeting())

    def say(self, wire: bytes) -> list[int]:
        """Bring `wire` to the server and its replies back; return their codes."""
        known = len(self.replies)
        for piece in self._cut(wire):
            self._hear(self.mailbox.hear(piece))
        return [event.reply.code for event in self.replies[known:]]

    def start_tls(self) -> None:
        self.say(self.client.send(Ehlo("mail.mailweb.test")))
        self.say(self.client.send(StartTls()))
        self.client.tls_started()
        self.mailbox.connection.tls_started()
        self.say(self.client.send(Ehlo("mail.mailweb.test")))

    def deliver(self, delivery: Delivery) -> list[int]:
        """Send a message as the server's announcements allow; return all codes."""
        mail = Mail("alice@mailweb.test", size=len(delivery.content))
        commands = [mail, *map(Rcpt, delivery.recipients)]
        if delivery.chunk_size:
            return self.say(self.client.send_all(commands) + self._chunks(delivery))
        if self.client.extensions.pipelining:
            codes = self.say(self.client.send_all([*commands, Data()]))
        else:
            codes = [self.say(self.client.send(command))[0] for command in commands]
            codes += self.say(self.client.send(Data())) if 250 in codes[1:] else []
        if self.client.state is State.CONTENT:
            codes += self.say(self.client.send_content(delivery.content))
        return codes

    def _chunks(self, delivery: Delivery) -> bytes:
        content, size = delivery.content, delivery.chunk_size
        starts = range(0, max(1, len(content)), size)
        return b"".join(
            self.client.send_chunk(content[start : start + size], last=start == starts[-1])
            for start in starts
        )

    def _hear(self, wire: bytes) -> None:
        for piece in self._cut(wire):
            self.client.receive_data(piece)
            while isinstance(event := self.client.next_event(), ReplyReceived):
                self.replies.append(event)

    def _cut(self, wire: bytes) -> Iterable[bytes]:
        place = 0
        while place < len(wire):
            size = next(self._sizes)
            yield wire[place : place + size]
            place += size
