"""The replies a server has ready for commands that SMTP does not allow where they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from delivery.smtp.commands import Auth, AuthCancel, Command, Mail, Rcpt, Unknown
from delivery.smtp.extensions import missing_for
from delivery.smtp.replies import EnhancedCode, Reply

if TYPE_CHECKING:
    from delivery.smtp.server import ServerConnection


def _reply(code: int, enhanced: tuple[int, int, int], text: str) -> Reply:
    return Reply(code, EnhancedCode(*enhanced), (text,))


TOO_LARGE: Final = _reply(552, (5, 3, 4), "The message is larger than is accepted here")
BARE_LINE_END: Final = _reply(550, (5, 6, 0), "The message has a CR or LF that stands alone")
BAD_SEQUENCE: Final = _reply(503, (5, 5, 1), "Bad sequence of commands")
NOT_KNOWN: Final = _reply(500, (5, 5, 1), "Command not recognised")
NOT_IMPLEMENTED: Final = _reply(502, (5, 5, 1), "Command not implemented")
NO_MECHANISM: Final = _reply(504, (5, 5, 4), "Authentication mechanism not recognised")
CANCELLED: Final = _reply(501, (5, 7, 0), "Authentication cancelled")
NEEDS_TLS: Final = _reply(523, (5, 7, 10), "REQUIRETLS needs TLS")
NEEDS_SMTPUTF8: Final = _reply(553, (5, 6, 7), "This address needs SMTPUTF8")

_OTHERS_KNOW: Final = frozenset({"EXPN", "HELP", "ETRN", "ATRN", "TURN", "SEND", "SOML", "SAML"})


def refusal_of(command: Command, connection: ServerConnection) -> Reply | None:
    """Return the reply that refuses `command`, or None if it may be said here."""
    if isinstance(command, Unknown):
        return NOT_IMPLEMENTED if command.verb.upper() in _OTHERS_KNOW else NOT_KNOWN
    if isinstance(command, AuthCancel):
        return CANCELLED
    if not connection.allows(command):
        return BAD_SEQUENCE
    missing = missing_for(command, connection.extensions)
    if missing is not None:
        return _refusal_without(missing, command, connection)
    return _refusal_by_value(command, connection)


def _refusal_without(missing: str, command: Command, connection: ServerConnection) -> Reply:
    if missing == "REQUIRETLS" and not connection.tls:
        return NEEDS_TLS
    if isinstance(command, (Mail, Rcpt)):
        return _reply(555, (5, 5, 4), f"Parameter of {missing} not recognised")
    if isinstance(command, Auth) and connection.extensions.auth:
        return NO_MECHANISM
    return NOT_IMPLEMENTED


def _refusal_by_value(command: Command, connection: ServerConnection) -> Reply | None:
    match command:
        case Mail(size=int(size)) if size > (connection.max_message_size or size):
            return TOO_LARGE
        case Rcpt(address=address) if not address.isascii() and not connection.takes_utf8:
            return NEEDS_SMTPUTF8
        case _:
            return None
