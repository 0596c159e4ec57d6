r"""SMTP without sockets: both sides of the dialogue, as bytes in and values out.

What is here: RFC 5321 with PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8
(RFC 6531), STARTTLS (RFC 3207), AUTH (RFC 4954), REQUIRETLS (RFC 8689), CHUNKING (RFC 3030), DSN
(RFC 3461), LIMITS (RFC 9422) and enhanced codes (RFC 2034, RFC 3463).

What is not: sockets, TLS, time, retries, SASL mechanisms, and any opinion on whether a message
should be sent. The engine says what was said; what follows from it is decided elsewhere.

    def exchange(wire):
        sock.sendall(wire)
        while (event := connection.next_event()) is NEED_DATA:
            connection.receive_data(sock.recv(65536))
        return event

    connection = ClientConnection()
    exchange(b"")  # the greeting
    exchange(connection.send(Ehlo("mail.mailweb.test")))
    exchange(connection.send(Mail("alice@mailweb.test")))
    exchange(connection.send(Rcpt("bob@dane.test")))
    exchange(connection.send(Data()))
    print(exchange(connection.send_content(b"Subject: Hello\r\n\r\nHello, Bob.\r\n")).reply)

The server's side is the same the other way round: `next_event` tells commands, `reply` answers.
"""

from __future__ import annotations

from delivery.smtp.client import ClientConnection, ClientEvent
from delivery.smtp.commands import (
    Auth,
    AuthCancel,
    AuthResponse,
    Bdat,
    Body,
    Command,
    Data,
    Ehlo,
    EndOfData,
    Helo,
    Kind,
    Mail,
    Noop,
    Notify,
    Quit,
    Rcpt,
    Ret,
    Rset,
    StartTls,
    Unknown,
    Vrfy,
)
from delivery.smtp.errors import (
    AddressError,
    LocalProtocolError,
    RemoteProtocolError,
    SmtpProtocolError,
)
from delivery.smtp.events import (
    NEED_DATA,
    BadCommand,
    ConnectionClosed,
    ContentChunk,
    ContentReceived,
    NeedData,
    ReplyReceived,
)
from delivery.smtp.extensions import Extensions, Limits
from delivery.smtp.limits import TIMEOUTS, Phase
from delivery.smtp.replies import EnhancedCode, Reply, ReplyParser
from delivery.smtp.server import ServerConnection, ServerEvent
from delivery.smtp.states import State

__all__ = [
    "NEED_DATA",
    "TIMEOUTS",
    "AddressError",
    "Auth",
    "AuthCancel",
    "AuthResponse",
    "BadCommand",
    "Bdat",
    "Body",
    "ClientConnection",
    "ClientEvent",
    "Command",
    "ConnectionClosed",
    "ContentChunk",
    "ContentReceived",
    "Data",
    "Ehlo",
    "EndOfData",
    "EnhancedCode",
    "Extensions",
    "Helo",
    "Kind",
    "Limits",
    "LocalProtocolError",
    "Mail",
    "NeedData",
    "Noop",
    "Notify",
    "Phase",
    "Quit",
    "Rcpt",
    "RemoteProtocolError",
    "Reply",
    "ReplyParser",
    "ReplyReceived",
    "Ret",
    "Rset",
    "ServerConnection",
    "ServerEvent",
    "SmtpProtocolError",
    "StartTls",
    "State",
    "Unknown",
    "Vrfy",
]
