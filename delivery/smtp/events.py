"""What an engine tells its driver. Commands are events too, on the server's side."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from delivery.smtp.commands import Command
from delivery.smtp.replies import Reply


class NeedData(Enum):
    """The type of `NEED_DATA`."""

    NEED_DATA = "need_data"

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final[Literal[NeedData.NEED_DATA]] = NeedData.NEED_DATA
"""Nothing more can be said before more bytes arrive."""


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """The server replied. `command` is None for the greeting, and for a 421 out of the blue."""

    reply: Reply
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The other side closed; every reply that came before has been told already.

    `unanswered` are the commands that will never get a reply, oldest first. `is_clean` says
    that the closing was announced by QUIT, a 421 or a refusing greeting.
    """

    is_clean: bool = False
    unanswered: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True)
class BadCommand:
    """A line the server cannot accept here, and the reply it deserves.

    `command` is None if the line was not understood. The server may give another reply.
    """

    reply: Reply
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class ContentChunk:
    """A piece of a message's content, without the dots of DATA. It needs no reply."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ContentReceived:
    """All content announced by DATA, or by one BDAT, has arrived and awaits a reply.

    `size` counts the octets of the message so far. `is_last` is False after a BDAT that is
    not the last. `problem` is the reply the content deserves if it must not be accepted: it is
    larger than allowed (then its chunks stopped at the limit), or has a CR or LF that stands
    alone.
    """

    size: int
    is_last: bool = True
    problem: Reply | None = None
