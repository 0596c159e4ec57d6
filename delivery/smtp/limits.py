"""How much the engine takes from a stranger, and how long RFC 5321 says to wait for one.

Sizes are in octets and count the CRLF. The engine has no clock: it names the phase it is in,
and whoever owns the socket looks up the seconds here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

MAX_REPLY_LINE: Final = 2048
"""RFC 5321 §4.5.3.1.5 says 512; servers that explain themselves at length exceed it."""

MAX_REPLY: Final = 64 * 1024
"""All lines of one reply. The largest useful one answers EHLO and has about a thousand octets."""

MAX_COMMAND_LINE: Final = 2048
"""RFC 5321 §4.5.3.1.4 says 512, and every extension with a parameter adds to it."""

MAX_AUTH_LINE: Final = 12288
"""RFC 4954 §4: what a line of an AUTH exchange may take."""

MAX_PATH: Final = 512
"""RFC 5321 §4.5.3.1.3 says 256, but senders with long bounce addresses are real."""

MAX_DOMAIN: Final = 255
"""RFC 5321 §4.5.3.1.2."""

MAX_UNREAD: Final = 1024 * 1024
"""What may wait in the buffer before the next chunk is refused."""


class Phase(StrEnum):
    """What a connection is waiting for; each phase has its own patience."""

    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    END_OF_DATA = "end_of_data"
    RESET = "reset"
    QUIT = "quit"
    IDLE = "idle"


TIMEOUTS: Final[Mapping[Phase, float]] = MappingProxyType(
    {
        Phase.CONNECT: 30.0,
        Phase.GREETING: 300.0,  # RFC 5321 §4.5.3.2.1
        Phase.HELLO: 300.0,
        Phase.STARTTLS: 300.0,
        Phase.TLS: 60.0,  # the handshake
        Phase.AUTH: 180.0,  # RFC 4954 §4
        Phase.MAIL: 300.0,  # RFC 5321 §4.5.3.2.2
        Phase.RCPT: 300.0,  # RFC 5321 §4.5.3.2.3
        Phase.DATA: 120.0,  # RFC 5321 §4.5.3.2.4
        Phase.CONTENT: 180.0,  # RFC 5321 §4.5.3.2.5, for each block
        # RFC 5321 §4.5.3.2.6: giving up earlier makes duplicates, because the server may be done.
        Phase.END_OF_DATA: 600.0,
        Phase.RESET: 300.0,
        Phase.QUIT: 5.0,  # nothing depends on the answer
        Phase.IDLE: 300.0,  # RFC 5321 §4.5.3.2.7: how long a server waits for a command
    }
)
"""Seconds to wait in each phase, re-armed whenever something arrives."""
