"""The client's engine against the server's, in any order, and against noise."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from delivery.smtp import (
    NEED_DATA,
    ClientConnection,
    Command,
    ConnectionClosed,
    Data,
    Ehlo,
    LocalProtocolError,
    Mail,
    Noop,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    Rset,
    ServerConnection,
    StartTls,
    State,
)
from tests.unit.smtp.dialogue import EXTENSIONS, Mailbox

OVER = frozenset({State.CLOSING, State.CLOSED, State.BROKEN})
COMMANDS: list[Command] = [
    Ehlo("mail.mailweb.test"),
    Mail("alice@mailweb.test"),
    Mail("", size=5),
    Rcpt("bob@dane.test"),
    Rcpt("nobody@dane.test"),
    Data(),
    Rset(),
    Noop(),
    StartTls(),
    Quit(),
]
lines = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"Hello"]), max_size=6)
contents = lines.map(lambda found: b"".join(line + b"\r\n" for line in found))
groups = st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=4)


class Engines(RuleBasedStateMachine):
    """Both engines, and a network that holds back what it likes, in each direction."""

    @initialize()
    def meet(self) -> None:
        self.client = ClientConnection()
        self.mailbox = Mailbox(ServerConnection(EXTENSIONS))
        self.to_server = b""
        self.to_client = self.mailbox.connection.greeting()
        self.sent = 1
        self.answered = 0

    @precondition(lambda self: self.client.state not in OVER)
    @rule(commands=groups)
    def say(self, commands: list[Command]) -> None:
        before = self.client.pending
        try:
            wire = self.client.send_all(commands)
        except LocalProtocolError:
            assert self.client.pending == before
            return
        self.sent += len(commands)
        self.to_server += wire

    @precondition(lambda self: self.client.state not in OVER)
    @rule(content=contents)
    def send_content(self, content: bytes) -> None:
        is_due = self.client.state is State.CONTENT and not self.client.pending
        try:
            self.to_server += self.client.send_content(content)
        except LocalProtocolError:
            assert not is_due
            return
        self.sent += 1

    @precondition(lambda self: self.client.state not in OVER)
    @rule(chunk=contents, is_last=st.booleans())
    def send_chunk(self, chunk: bytes, is_last: bool) -> None:
        try:
            self.to_server += self.client.send_chunk(chunk, last=is_last)
        except LocalProtocolError:
            return
        self.sent += 1

    @rule(size=st.integers(1, 60))
    def bring_to_server(self, size: int) -> None:
        piece, self.to_server = self.to_server[:size], self.to_server[size:]
        if piece:
            self.to_client += self.mailbox.hear(piece)

    @rule(size=st.integers(1, 60))
    def bring_to_client(self, size: int) -> None:
        piece, self.to_client = self.to_client[:size], self.to_client[size:]
        if not piece:
            return
        self.client.receive_data(piece)
        while isinstance(self.client.next_event(), ReplyReceived):
            self.answered += 1

    @precondition(lambda self: not (self.to_server or self.to_client))
    @rule()
    def shake_hands(self) -> None:
        if self.client.state is State.TLS_DUE:
            assert self.mailbox.connection.state is State.TLS_DUE
            self.client.tls_started()
            self.mailbox.connection.tls_started()

    @invariant()
    def every_command_gets_one_reply(self) -> None:
        if hasattr(self, "client"):
            waiting = len(self.client.pending) + (self.client.state is State.GREETING)
            assert self.answered + waiting == self.sent

    @invariant()
    def both_are_of_one_mind_when_nothing_is_on_its_way(self) -> None:
        if hasattr(self, "client") and not (self.to_server or self.to_client):
            assert self.client.state is self.mailbox.connection.state


class Noise(RuleBasedStateMachine):
    """The client's engine, and a server that says anything."""

    @initialize()
    def meet(self) -> None:
        self.client = ClientConnection()
        self.is_broken = False

    @precondition(lambda self: not self.is_broken and self.client.state not in OVER)
    @rule(commands=groups)
    def say(self, commands: list[Command]) -> None:
        try:
            self.client.send_all(commands)
        except LocalProtocolError:
            pass

    @rule(
        noise=st.builds(Reply, st.integers(200, 599)).map(Reply.to_bytes)
        | st.sampled_from(
            [b"250-mx\r\n", b"250 PIPELINING\r\n", b"250", b" \r\n", b"\n", b"421 bye\r\n"]
        )
        | st.binary(max_size=8)
    )
    def hear(self, noise: bytes) -> None:
        try:
            if noise:
                self.client.receive_data(noise)
            while (event := self.client.next_event()) is not NEED_DATA:
                assert not isinstance(event, ConnectionClosed)
                assert not self.is_broken
        except RemoteProtocolError:
            self.is_broken = True
        if self.is_broken:
            assert self.client.state is State.BROKEN

    @precondition(lambda self: self.client.state is State.TLS_DUE)
    @rule()
    def shake_hands(self) -> None:
        self.client.tls_started()
        assert not self.client.extensions.pipelining
        assert self.client.state is State.HELLO


TestEngines = Engines.TestCase
TestEngines.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestNoise = Noise.TestCase
TestNoise.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
