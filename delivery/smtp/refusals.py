"""The replies a server has ready for commands that SMTP does not allow where they come."""

from __future__ import annotations

from typing import Final

from delivery.smtp.commands import Auth, AuthCancel, Command, Mail, Rcpt, Unknown
from delivery.smtp.extensions import Extensions, lacks_smtputf8, missing_for
from delivery.smtp.replies import EnhancedCode, Reply


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


def refusal_of(
    command: Command, mail: Mail | None, extensions: Extensions, *, tls: bool, limit: int | None
) -> Reply | None:
    """Return the reply that refuses `command`, or None if it can be understood.

    `mail` opened the transaction, `extensions` are announced, `limit` is the largest message
    taken. Whether the command comes in order is not asked here.
    """
    if isinstance(command, Unknown):
        return NOT_IMPLEMENTED if command.verb.upper() in _OTHERS_KNOW else NOT_KNOWN
    if isinstance(command, AuthCancel):
        return CANCELLED
    if isinstance(command, Mail) and command.requiretls and not tls:
        return NEEDS_TLS
    missing = missing_for(command, extensions)
    if missing is not None:
        return _refusal_without(missing, command, extensions)
    if lacks_smtputf8(command, mail):
        return NEEDS_SMTPUTF8
    is_too_large = isinstance(command, Mail) and limit is not None and (command.size or 0) > limit
    return TOO_LARGE if is_too_large else None


def _refusal_without(missing: str, command: Command, extensions: Extensions) -> Reply:
    match command:
        case Mail() | Rcpt():
            return _reply(555, (5, 5, 4), f"Parameters of {missing} are not recognised")
        case Auth() if extensions.auth:
            return NO_MECHANISM
        case _:
            return NOT_IMPLEMENTED
