"""Where a dialogue stands, and what each command and each reply makes of that.

Rules:
- Both sides use the same two tables, so they cannot disagree about the order of the dialogue.
- Only this module changes a state.
- A reply that is in no table changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from delivery.smtp.commands import Kind
from delivery.smtp.limits import Phase


class State(StrEnum):
    """What has been agreed so far."""

    GREETING = "greeting"  # the server has not spoken yet
    HELLO = "hello"  # EHLO is due: after the greeting, and again after TLS
    READY = "ready"  # a transaction may start
    TLS_DUE = "tls_due"  # 220 to STARTTLS: nothing but a handshake may follow
    AUTH = "auth"  # 334: a response is due
    MAIL = "mail"  # there is a sender, and no recipient yet
    RCPT = "rcpt"  # there is at least one recipient
    CONTENT = "content"  # 354: content is due, up to the lone dot
    DOT = "dot"  # 354 although no recipient was accepted: just the lone dot is due
    CHUNKS = "chunks"  # some content has gone with BDAT, the rest is due
    FAILED = "failed"  # a chunk was refused: RSET is due
    CLOSING = "closing"  # 421, 221 or a refused connection: the server will close
    CLOSED = "closed"
    BROKEN = "broken"  # one side broke the protocol; nothing that follows can be trusted


class Answer(IntEnum):
    """The class of a reply; RFC 5321 §4.2.1 wants an unknown code treated as its class."""

    YES = 2
    MORE = 3
    LATER = 4
    NO = 5


TRANSACTION: Final = frozenset({State.MAIL, State.RCPT, State.CHUNKS, State.FAILED})
"""States that RSET leads out of."""

_SESSION = TRANSACTION | {State.READY}
_SAYS_QUIT = _SESSION | {State.HELLO}

MAY_SEND: Final[Mapping[tuple[State, Kind], State]] = MappingProxyType(
    {
        (State.AUTH, Kind.AUTH_RESPONSE): State.READY,
        (State.READY, Kind.STARTTLS): State.TLS_DUE,
        (State.READY, Kind.AUTH): State.READY,
        (State.READY, Kind.MAIL): State.MAIL,
        (State.FAILED, Kind.MAIL): State.MAIL,
        (State.MAIL, Kind.RCPT): State.RCPT,
        (State.RCPT, Kind.RCPT): State.RCPT,
        (State.RCPT, Kind.DATA): State.CONTENT,
        (State.CONTENT, Kind.END_OF_DATA): State.READY,
        (State.DOT, Kind.END_OF_DATA): State.READY,
        (State.RCPT, Kind.CHUNK): State.CHUNKS,
        (State.RCPT, Kind.LAST_CHUNK): State.READY,
        (State.CHUNKS, Kind.CHUNK): State.CHUNKS,
        (State.CHUNKS, Kind.LAST_CHUNK): State.READY,
        (State.CLOSING, Kind.QUIT): State.CLOSING,
        (State.HELLO, Kind.HELLO): State.READY,
        (State.HELLO, Kind.RESET): State.HELLO,
        (State.HELLO, Kind.INFO): State.HELLO,
        (State.HELLO, Kind.UNKNOWN): State.HELLO,
        **{(state, Kind.HELLO): State.READY for state in _SESSION},
        **{(state, Kind.RESET): State.READY for state in _SESSION},
        **{(state, Kind.INFO): state for state in _SESSION},
        **{(state, Kind.UNKNOWN): state for state in _SESSION},
        **{(state, Kind.QUIT): State.CLOSING for state in _SAYS_QUIT},
    }
)
"""What may be sent where, and where it leads if the server agrees."""

AFTER_REPLY: Final[Mapping[tuple[State, Kind, int], State]] = MappingProxyType(
    {
        (State.GREETING, Kind.GREETING, Answer.YES): State.HELLO,
        # RFC 5321 §3.1: after a 554 greeting the server only waits for QUIT.
        (State.GREETING, Kind.GREETING, Answer.LATER): State.CLOSING,
        (State.GREETING, Kind.GREETING, Answer.NO): State.CLOSING,
        (State.HELLO, Kind.HELLO, Answer.YES): State.READY,
        (State.READY, Kind.STARTTLS, Answer.YES): State.TLS_DUE,
        (State.READY, Kind.AUTH, Answer.MORE): State.AUTH,
        (State.AUTH, Kind.AUTH_RESPONSE, Answer.MORE): State.AUTH,
        (State.AUTH, Kind.AUTH_RESPONSE, Answer.YES): State.READY,
        (State.AUTH, Kind.AUTH_RESPONSE, Answer.LATER): State.READY,
        (State.AUTH, Kind.AUTH_RESPONSE, Answer.NO): State.READY,
        (State.READY, Kind.MAIL, Answer.YES): State.MAIL,
        (State.FAILED, Kind.MAIL, Answer.YES): State.MAIL,
        (State.MAIL, Kind.RCPT, Answer.YES): State.RCPT,
        (State.RCPT, Kind.DATA, Answer.MORE): State.CONTENT,
        # RFC 2920 §3.1: a pipelined DATA may be taken although MAIL or every RCPT was not.
        **{(state, Kind.DATA, Answer.MORE): State.DOT for state in _SESSION - {State.RCPT}},
        **{
            (state, Kind.END_OF_DATA, answer): State.READY
            for state in (State.CONTENT, State.DOT)
            for answer in (Answer.YES, Answer.LATER, Answer.NO)
        },
        (State.RCPT, Kind.CHUNK, Answer.YES): State.CHUNKS,
        **{
            # RFC 3030 §2: one refused chunk fails the transaction.
            (state, kind, answer): State.FAILED
            for state in (State.RCPT, State.CHUNKS)
            for kind in (Kind.CHUNK, Kind.LAST_CHUNK)
            for answer in (Answer.LATER, Answer.NO)
        },
        **{(state, Kind.LAST_CHUNK, Answer.YES): State.READY for state in TRANSACTION},
        **{(state, Kind.HELLO, Answer.YES): State.READY for state in _SESSION},
        **{(state, Kind.RESET, Answer.YES): State.READY for state in _SESSION},
        **{(state, Kind.QUIT, answer): State.CLOSING for state in _SAYS_QUIT for answer in Answer},
    }
)
"""What a reply makes of the state, by the kind of command it answers."""

WAITING_FOR: Final[Mapping[Kind, Phase]] = MappingProxyType(
    {
        Kind.GREETING: Phase.GREETING,
        Kind.HELLO: Phase.HELLO,
        Kind.STARTTLS: Phase.STARTTLS,
        Kind.AUTH: Phase.AUTH,
        Kind.AUTH_RESPONSE: Phase.AUTH,
        Kind.MAIL: Phase.MAIL,
        Kind.RCPT: Phase.RCPT,
        Kind.DATA: Phase.DATA,
        Kind.END_OF_DATA: Phase.END_OF_DATA,
        Kind.CHUNK: Phase.CONTENT,
        Kind.LAST_CHUNK: Phase.END_OF_DATA,
        Kind.RESET: Phase.RESET,
        Kind.INFO: Phase.RESET,
        Kind.QUIT: Phase.QUIT,
        Kind.UNKNOWN: Phase.RESET,
    }
)
"""The phase in which a reply to a command of this kind is awaited."""

RESTING_IN: Final[Mapping[State, Phase]] = MappingProxyType(
    {
        State.GREETING: Phase.GREETING,
        State.TLS_DUE: Phase.TLS,
        State.AUTH: Phase.AUTH,
        State.CONTENT: Phase.CONTENT,
        State.DOT: Phase.CONTENT,
        State.CHUNKS: Phase.CONTENT,
        State.CLOSING: Phase.QUIT,
    }
)
"""The phase of a state in which no reply is awaited; any other is idle."""

ENDS_A_GROUP: Final = frozenset(
    {
        Kind.HELLO,
        Kind.STARTTLS,
        Kind.AUTH,
        Kind.AUTH_RESPONSE,
        Kind.DATA,
        Kind.INFO,
        Kind.UNKNOWN,
        Kind.QUIT,
    }
)
"""Commands nothing may be pipelined behind (RFC 2920 §3.1, RFC 3207 §4.1, RFC 4954 §4)."""


ASKED_FOR_MORE: Final = frozenset({Kind.DATA, Kind.AUTH, Kind.AUTH_RESPONSE})
"""Commands that a 3yz may answer."""


class Machine:
    """The state of one dialogue.

    `state` is what has been agreed. `planned` is where it leads if every command that is still
    without a reply succeeds; the two differ only while commands are pipelined.
    """

    __slots__ = ("planned", "state")

    def __init__(self) -> None:
        self.state = State.GREETING
        self.planned = State.GREETING

    def allows(self, kind: Kind) -> bool:
        """Return whether a command of `kind` may be sent now."""
        return (self.planned, kind) in MAY_SEND

    def plan(self, kinds: Iterable[Kind]) -> State | None:
        """Return where `kinds` lead one after the other, or None if one is out of order."""
        planned: State | None = self.planned
        for kind in kinds:
            planned = MAY_SEND.get((planned, kind)) if planned else None
        return planned

    def sent(self, planned: State) -> None:
        """Go along with a plan: its commands are on their way."""
        self.planned = planned

    def answered(self, kind: Kind, code: int, *, is_settled: bool = True) -> None:
        """Take a reply into account; `is_settled` says that it was the last one awaited."""
        if code == 421:  # RFC 5321 §3.8: legal at any time, and the end
            self.state = State.CLOSING
        else:
            self.state = AFTER_REPLY.get((self.state, kind, code // 100), self.state)
        if is_settled or self.state is State.CLOSING:
            self.planned = self.state

    def tls_started(self) -> None:
        """Begin again: RFC 3207 §4.2 forgets everything but the greeting."""
        self.state = self.planned = State.HELLO

    def closed(self) -> None:
        """Note that the other side has closed."""
        self.state = self.planned = State.CLOSED

    def broke(self) -> None:
        """Note that the protocol was broken."""
        self.state = self.planned = State.BROKEN
