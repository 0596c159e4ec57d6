"""What clients say: one frozen value for each command.

A command that exists is valid: a value with CR, LF or NUL, an address that is none, a line that
is too long cannot be constructed. So nothing a person typed can smuggle in a second command.
"""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum

from delivery.smtp import grammar
from delivery.smtp.errors import LocalProtocolError
from delivery.smtp.limits import MAX_AUTH_LINE, MAX_COMMAND_LINE


class Kind(StrEnum):
    """What a command is to the order of the dialogue; the transition tables speak of these."""

    GREETING = "greeting"  # not a command: what the server's first words answer
    HELLO = "hello"
    STARTTLS = "starttls"
    AUTH = "auth"
    AUTH_RESPONSE = "auth_response"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END_OF_DATA = "end_of_data"
    CHUNK = "chunk"
    LAST_CHUNK = "last_chunk"
    RESET = "reset"
    INFO = "info"
    QUIT = "quit"
    UNKNOWN = "unknown"


class Body(StrEnum):
    """What kind of octets the content has (RFC 6152)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"


class Ret(StrEnum):
    """How much of the message a failure report returns (RFC 3461 §4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(StrEnum):
    """What the sender wants to be told about a recipient (RFC 3461 §4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


Parameters = tuple[tuple[str, str | None], ...]
"""Parameters of MAIL or RCPT as keyword and value; None where there is no "="."""


class Command:
    """Anything a client may say."""

    __slots__ = ()

    @property
    def kind(self) -> Kind:
        """What it is to the order of the dialogue."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Return the line, with its CRLF."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Ehlo(Command):
    """The client's name, and the wish to know what the server can do."""

    kind = Kind.HELLO
    hostname: str

    def __post_init__(self) -> None:
        grammar.check_hello_name(self.hostname)

    def to_bytes(self) -> bytes:
        return _line(f"EHLO {self.hostname}")


@dataclass(frozen=True, slots=True)
class Helo(Command):
    """The client's name, for servers from before extensions."""

    kind = Kind.HELLO
    hostname: str

    def __post_init__(self) -> None:
        grammar.check_hello_name(self.hostname)

    def to_bytes(self) -> bytes:
        return _line(f"HELO {self.hostname}")


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    """The wish to go on in TLS (RFC 3207)."""

    kind = Kind.STARTTLS

    def to_bytes(self) -> bytes:
        return b"STARTTLS\r\n"


@dataclass(frozen=True, slots=True)
class Auth(Command):
    """The start of an authentication (RFC 4954).

    `initial_response` may be empty, which is not the same as None: without one the server
    sends the first challenge.
    """

    kind = Kind.AUTH
    mechanism: str
    initial_response: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        grammar.check_keyword(self.mechanism)
        _fits(self.to_bytes(), MAX_AUTH_LINE)

    def to_bytes(self) -> bytes:
        line = b"AUTH " + self.mechanism.upper().encode("ascii")
        if self.initial_response is not None:
            # RFC 4954 §4: "=" stands for a response that is there and empty.
            line += b" " + (b2a_base64(self.initial_response, newline=False) or b"=")
        return line + b"\r\n"


@dataclass(frozen=True, slots=True)
class AuthResponse(Command):
    """What the client answers to a challenge; secret, whatever the mechanism."""

    kind = Kind.AUTH_RESPONSE
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _fits(self.to_bytes(), MAX_AUTH_LINE)

    def to_bytes(self) -> bytes:
        return b2a_base64(self.data, newline=False) + b"\r\n"


@dataclass(frozen=True, slots=True)
class AuthCancel(Command):
    """The end of an authentication that the client cannot or does not want to complete."""

    kind = Kind.AUTH_RESPONSE

    def to_bytes(self) -> bytes:
        return b"*\r\n"


@dataclass(frozen=True, slots=True)
class Mail(Command):
    """The start of a transaction, and who is told when it fails.

    `sender` is empty for the null sender of reports. `auth` is the address that submitted the
    message (RFC 4954 §5), or "<>". `other` holds parameters this engine does not know.
    """

    kind = Kind.MAIL
    sender: str
    _: KW_ONLY
    size: int | None = None
    body: Body | None = None
    smtputf8: bool = False
    requiretls: bool = False
    ret: Ret | None = None
    envid: str | None = None
    auth: str | None = None
    other: Parameters = ()

    def __post_init__(self) -> None:
        if self.sender:
            grammar.check_mailbox(self.sender)
        if self.size is not None and self.size < 0:
            raise LocalProtocolError("A message cannot have a negative size.")
        if self.envid is not None:
            _check_envid(self.envid)
        if self.auth is not None and self.auth != "<>":
            grammar.check_mailbox(self.auth)
        if self.auth or self.other:  # nothing else can make the line too long
            _check_parameters(self.other)
            _fits(self.to_bytes(), MAX_COMMAND_LINE)

    def to_bytes(self) -> bytes:
        words = [f"MAIL FROM:<{self.sender}>"]
        if self.size is not None:
            words.append(f"SIZE={self.size}")
        if self.body is not None:
            words.append(f"BODY={self.body}")
        if self.smtputf8:
            words.append("SMTPUTF8")
        if self.requiretls:
            words.append("REQUIRETLS")
        if self.ret is not None:
            words.append(f"RET={self.ret}")
        if self.envid is not None:
            words.append(f"ENVID={grammar.to_xtext(self.envid)}")
        if self.auth is not None:
            words.append(f"AUTH={grammar.to_xtext(self.auth)}")
        return _line(" ".join(words + _words(self.other)))


@dataclass(frozen=True, slots=True)
class Rcpt(Command):
    """One recipient.

    `orcpt` is the address the sender wrote, with its type: "rfc822;bob@mailweb.test". Type
    "utf-8" may hold any letters. `notify` empty leaves the choice to the server.
    """

    kind = Kind.RCPT
    address: str
    _: KW_ONLY
    notify: frozenset[Notify] = frozenset()
    orcpt: str | None = None
    other: Parameters = ()

    def __post_init__(self) -> None:
        # RFC 5321 §4.1.1.3: Postmaster is an address everywhere, without a domain.
        if self.address.lower() != "postmaster":
            grammar.check_mailbox(self.address)
        if Notify.NEVER in self.notify and len(self.notify) > 1:
            raise LocalProtocolError("NOTIFY=NEVER stands alone.")
        if self.orcpt is not None:
            _check_orcpt(self.orcpt)
        if self.orcpt or self.other:  # nothing else can make the line too long
            _check_parameters(self.other)
            _fits(self.to_bytes(), MAX_COMMAND_LINE)

    def to_bytes(self) -> bytes:
        words = [f"RCPT TO:<{self.address}>"]
        if self.notify:
            words.append("NOTIFY=" + ",".join(word for word in Notify if word in self.notify))
        if self.orcpt is not None:
            kind, _, address = self.orcpt.partition(";")
            pack = grammar.to_utf8_xtext if kind.lower() == "utf-8" else grammar.to_xtext
            words.append(f"ORCPT={kind};{pack(address)}")
        return _line(" ".join(words + _words(self.other)))


@dataclass(frozen=True, slots=True)
class Data(Command):
    """The wish to send content, once for all recipients accepted so far."""

    kind = Kind.DATA

    def to_bytes(self) -> bytes:
        return b"DATA\r\n"


@dataclass(frozen=True, slots=True)
class EndOfData(Command):
    """The lone dot; its reply says whether the message was taken."""

    kind = Kind.END_OF_DATA

    def to_bytes(self) -> bytes:
        return b".\r\n"


@dataclass(frozen=True, slots=True)
class Bdat(Command):
    """The announcement of `size` octets of content that follow at once (RFC 3030)."""

    size: int
    last: bool = False

    def __post_init__(self) -> None:
        if self.size < 0:
            raise LocalProtocolError("A chunk cannot have a negative size.")

    @property
    def kind(self) -> Kind:
        """Only the last chunk ends the transaction."""
        return Kind.LAST_CHUNK if self.last else Kind.CHUNK

    def to_bytes(self) -> bytes:
        return _line(f"BDAT {self.size} LAST" if self.last else f"BDAT {self.size}")


@dataclass(frozen=True, slots=True)
class Rset(Command):
    """The end of the transaction without a message."""

    kind = Kind.RESET

    def to_bytes(self) -> bytes:
        return b"RSET\r\n"


@dataclass(frozen=True, slots=True)
class Noop(Command):
    """Nothing but a sign of life."""

    kind = Kind.INFO
    argument: str = ""

    def __post_init__(self) -> None:
        grammar.check_line(self.argument)
        _fits(self.to_bytes(), MAX_COMMAND_LINE)

    def to_bytes(self) -> bytes:
        return _line(f"NOOP {self.argument}".rstrip(" "))


@dataclass(frozen=True, slots=True)
class Vrfy(Command):
    """The question whether there is such a mailbox."""

    kind = Kind.INFO
    argument: str

    def __post_init__(self) -> None:
        if not self.argument:
            raise LocalProtocolError("VRFY needs an argument.")
        grammar.check_line(self.argument)
        _fits(self.to_bytes(), MAX_COMMAND_LINE)

    def to_bytes(self) -> bytes:
        return _line(f"VRFY {self.argument}")


@dataclass(frozen=True, slots=True)
class Quit(Command):
    """The end of the session."""

    kind = Kind.QUIT

    def to_bytes(self) -> bytes:
        return b"QUIT\r\n"


@dataclass(frozen=True, slots=True)
class Unknown(Command):
    """A command outside this grammar, as a server may receive it."""

    kind = Kind.UNKNOWN
    verb: str
    argument: str = ""

    def __post_init__(self) -> None:
        grammar.check_line(self.verb)
        grammar.check_line(self.argument)
        _fits(self.to_bytes(), MAX_COMMAND_LINE)

    def to_bytes(self) -> bytes:
        return _line(f"{self.verb} {self.argument}".rstrip(" "))


def _line(text: str) -> bytes:
    return text.encode() + b"\r\n"


def _fits(line: bytes, limit: int) -> None:
    if len(line) > limit:
        raise LocalProtocolError(f"The command has {len(line)} octets, more than {limit}.")


def _check_envid(envid: str) -> None:
    if not envid or not grammar.is_printable_ascii(envid) or len(grammar.to_xtext(envid)) > 100:
        raise LocalProtocolError(f"{envid[:80]!a} cannot be an ENVID.")


def _check_orcpt(orcpt: str) -> None:
    kind, semicolon, address = orcpt.partition(";")
    grammar.check_keyword(kind)
    fits_kind = grammar.is_printable_ascii(address) or kind.lower() == "utf-8"
    if not (semicolon and address and fits_kind):
        raise LocalProtocolError(f"{orcpt[:80]!a} cannot be an ORCPT.")
    grammar.check_line(address)


def _check_parameters(parameters: Parameters) -> None:
    for keyword, value in parameters:
        grammar.check_keyword(keyword)
        if value is not None:
            grammar.check_parameter_value(value)


def _words(parameters: Parameters) -> list[str]:
    return [word if value is None else f"{word}={value}" for word, value in parameters]
