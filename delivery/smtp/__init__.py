r"""SMTP without sockets: both sides of the dialogue, as bytes in and values out.

What is here: RFC 5321 with PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8
(RFC 6531), STARTTLS (RFC 3207), AUTH (RFC 4954), REQUIRETLS (RFC 8689), CHUNKING (RFC 3030), DSN
(RFC 3461), LIMITS (RFC 9422) and enhanced codes (RFC 2034, RFC 3463).

What is not: sockets, TLS, time, retries, SASL mechanisms, and any opinion on whether a message
should be sent. The engine says what was said; what follows from it is decided elsewhere.

    connection = ClientConnection()
    connection.receive_data(sock.recv(65536))
    greeting = connection.next_event()              # ReplyReceived, or NEED_DATA: read on
    sock.sendall(connection.send(Ehlo("mail.mailweb.test")))
    ...                                             # the reply fills connection.extensions
    sock.sendall(connection.send_all([Mail("alice@mailweb.test"), Rcpt("bob@dane.test"), Data()]))
    ...                                             # one ReplyReceived for each, in order
    sock.sendall(connection.send_content(b"Subject: Hello\r\n\r\nBob.\r\n"))
    ...                                             # the reply to EndOfData: taken, or not
    sock.sendall(connection.send(Quit()))
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
