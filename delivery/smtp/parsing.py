"""The server's reading of a line: a command, or the reply that the line deserves."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Final, TypeVar

from delivery.smtp import grammar
from delivery.smtp.commands import (
    Auth,
    AuthCancel,
    AuthResponse,
    Bdat,
    Body,
    Command,
    Data,
    Ehlo,
    Helo,
    Mail,
    Noop,
    Notify,
    Parameters,
    Quit,
    Rcpt,
    Ret,
    Rset,
    StartTls,
    Unknown,
    Vrfy,
)
from delivery.smtp.errors import AddressError, LocalProtocolError, RemoteProtocolError
from delivery.smtp.limits import MAX_AUTH_LINE, MAX_COMMAND_LINE
from delivery.smtp.replies import EnhancedCode, Reply

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

# RFC 5321 §4.1.1.3: a source route must be understood, and is better dropped.
_PATH: Final = re.compile(
    r"""
    (?P<verb> FROM | TO ): [ ]*
    < (?: @[^:<>\ ]*: )?
      (?P<mailbox> (?: " (?: [^"\\] | \\. )* " | [^"<>\ ] )* )
    >
    (?P<parameters> (?: [ ].* )? )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_SIZE: Final = re.compile(r"[0-9]{1,20}")
_BDAT: Final = re.compile(r"([0-9]{1,20})(?: +(LAST))? *", re.IGNORECASE | re.ASCII)


class CommandSyntaxError(RemoteProtocolError):
    """A line is not a command; `reply` says so to the client."""

    reply: Reply

    def __init__(self, code: int, enhanced: tuple[int, int, int], text: str) -> None:
        super().__init__(text, reply=Reply(code, EnhancedCode(*enhanced), (text,)))


def parse_command(line: bytes) -> Command:
    """Return the command in `line`, which has no line end any more.

    Raises:
        CommandSyntaxError: it is none, or its arguments are wrong.
        RemoteProtocolError: it makes everything that follows unreadable.
    """
    try:
        text = line.decode("utf-8")
        grammar.check_line(text)
    except (UnicodeDecodeError, LocalProtocolError):
        raise CommandSyntaxError(500, (5, 5, 2), "The line has octets no command has") from None
    word, _, argument = text.rstrip(" ").partition(" ")
    verb = _upper(word)
    if len(line) + 2 > (MAX_AUTH_LINE if verb == "AUTH" else MAX_COMMAND_LINE):
        raise CommandSyntaxError(500, (5, 5, 6), "The line is too long")
    parse = _PARSERS.get(verb)
    if parse is None:
        return Unknown(word, argument)
    try:
        return parse(argument.strip(" "))
    except AddressError as error:
        detail = 7 if verb == "MAIL" else 3  # RFC 3463 §3.2: sender's or destination's address
        raise CommandSyntaxError(501, (5, 1, detail), str(error)) from None
    except LocalProtocolError as error:
        raise CommandSyntaxError(501, (5, 5, 4), str(error)) from None


def parse_auth_response(line: bytes) -> AuthResponse | AuthCancel:
    """Return the client's answer to a challenge.

    Raises:
        CommandSyntaxError: it is not base64.
    """
    return AuthCancel() if line == b"*" else AuthResponse(_from_base64(line))


def _mail(argument: str) -> Mail:
    mailbox, words = _path("FROM", argument)
    known, other = _parameters(words, _MAIL_PARAMETERS)
    return Mail(
        mailbox,
        size=_optional(_size, known.get("SIZE")),
        body=_optional(partial(_choice, Body), known.get("BODY")),
        smtputf8="SMTPUTF8" in known,
        requiretls="REQUIRETLS" in known,
        ret=_optional(partial(_choice, Ret), known.get("RET")),
        envid=_optional(grammar.from_xtext, known.get("ENVID")),
        auth=_optional(grammar.from_xtext, known.get("AUTH")),
        other=other,
    )


def _rcpt(argument: str) -> Rcpt:
    mailbox, words = _path("TO", argument)
    known, other = _parameters(words, _RCPT_PARAMETERS)
    return Rcpt(
        mailbox,
        notify=_optional(_notify, known.get("NOTIFY")) or frozenset(),
        orcpt=_optional(_orcpt, known.get("ORCPT")),
        other=other,
    )


def _auth(argument: str) -> Auth:
    mechanism, _, response = argument.partition(" ")
    initial = None
    if response:
        # RFC 4954 §4: "=" stands for a response that is there and empty.
        initial = b"" if response == "=" else _from_base64(response.encode())
    return Auth(_upper(mechanism), initial)


def _bdat(argument: str) -> Bdat:
    found = _BDAT.fullmatch(argument)
    if found is None:
        # Nobody knows any more where the content ends and the next command begins.
        raise RemoteProtocolError("BDAT does not say how much follows.")
    return Bdat(int(found[1]), last=found[2] is not None)


def _without_argument(command: Command, argument: str) -> Command:
    if argument:
        raise LocalProtocolError("This command takes no argument.")
    return command


def _path(verb: str, argument: str) -> tuple[str, list[str]]:
    """Return the mailbox between the angle brackets, and the parameters behind them."""
    found = _PATH.fullmatch(argument)
    if found is None or found["verb"].upper() != verb:
        raise LocalProtocolError(f"{verb}:<address> is missing.")
    return found["mailbox"], found["parameters"].split()


def _parameters(
    words: list[str], takes_value: dict[str, bool]
) -> tuple[dict[str, str], Parameters]:
    """Return the parameters in `takes_value`, and the others as they came.

    Raises:
        LocalProtocolError: one is given twice, or lacks its value, or has one too many.
    """
    known: dict[str, str] = {}
    other: list[tuple[str, str | None]] = []
    for word in words:
        keyword, equals, value = word.partition("=")
        keyword = _upper(keyword)
        if keyword not in takes_value:
            other.append((keyword, value if equals else None))
        elif keyword in known or takes_value[keyword] != bool(value) or bool(equals) != bool(value):
            raise LocalProtocolError(f"Parameter {keyword} is malformed or given twice.")
        else:
            known[keyword] = value
    return known, tuple(other)


def _upper(word: str) -> str:
    """Return an ASCII word in capitals; any other as it is, because a long s is no S."""
    return word.upper() if word.isascii() else word


def _optional(parse: Callable[[str], T], value: str | None) -> T | None:
    return None if value is None else parse(value)


def _size(value: str) -> int:
    if not _SIZE.fullmatch(value):
        raise LocalProtocolError("SIZE must be a number.")
    return int(value)


def _choice(choices: type[E], value: str) -> E:
    try:
        return choices(_upper(value))
    except ValueError:
        raise LocalProtocolError(f"{value[:80]!a} is not a value of {choices.__name__}.") from None


def _notify(value: str) -> frozenset[Notify]:
    return frozenset(_choice(Notify, word) for word in value.split(","))


def _orcpt(value: str) -> str:
    kind, semicolon, packed = value.partition(";")
    unpack = grammar.from_utf8_xtext if kind.lower() == "utf-8" else grammar.from_xtext
    return f"{kind}{semicolon}{unpack(packed)}"


def _from_base64(text: bytes) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except Base64Error:
        raise CommandSyntaxError(501, (5, 5, 2), "The response is not base64") from None


_MAIL_PARAMETERS: Final = {
    "SIZE": True,
    "BODY": True,
    "SMTPUTF8": False,
    "REQUIRETLS": False,
    "RET": True,
    "ENVID": True,
    "AUTH": True,
}
_RCPT_PARAMETERS: Final = {"NOTIFY": True, "ORCPT": True}

_PARSERS: Final[dict[str, Callable[[str], Command]]] = {
    "EHLO": Ehlo,
    "HELO": Helo,
    "STARTTLS": partial(_without_argument, StartTls()),
    "AUTH": _auth,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": partial(_without_argument, Data()),
    "BDAT": _bdat,
    "RSET": partial(_without_argument, Rset()),
    "NOOP": Noop,
    "QUIT": partial(_without_argument, Quit()),
    "VRFY": Vrfy,
}
