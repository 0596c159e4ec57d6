"""What can go wrong with the protocol: our side broke it, or theirs did.

A refusal is neither: it is a `Reply` with a code of 400 or more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from delivery.smtp.replies import Reply


class SmtpProtocolError(Exception):
    """The SMTP dialogue broke its own rules."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or type(self).__doc__)


class LocalProtocolError(SmtpProtocolError):
    """Something was asked of the engine that SMTP does not allow here: a bug of the caller."""


class AddressError(LocalProtocolError):
    """That is not a mail address."""


class RemoteProtocolError(SmtpProtocolError):
    """The other side sent what SMTP does not allow here; the connection is of no more use.

    `reply` is the reply that did not fit, when there was one.
    """

    def __init__(self, message: str = "", *, reply: Reply | None = None) -> None:
        super().__init__(message)
        self.reply = reply
