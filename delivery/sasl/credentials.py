"""Who logs in, and with what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MAX_USERNAME: Final = 255
"""Octets; RFC 4616 §2 lets a server refuse longer ones."""

MAX_SECRET: Final = 1024
MAX_TOKEN: Final = 8000
"""Octets; as base64 it must fit into a line of RFC 4954 §4."""


class CredentialsError(ValueError):
    """These credentials cannot be used to log in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A name with its password (`secret`), an OAuth 2 access token (`token`), or both.

    Neither shows when the value is printed.

    Raises:
        CredentialsError: they are empty, too long, or have characters no mechanism can carry.
    """

    username: str
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _check("user name", self.username, MAX_USERNAME)
        _check("password", self.secret, MAX_SECRET)
        _check("token", self.token, MAX_TOKEN)
        if not self.username:
            raise CredentialsError("A user name is needed to log in.")
        if not self.secret and not self.token:
            raise CredentialsError("A password or a token is needed to log in.")
        if not all(33 <= ord(letter) <= 126 for letter in self.token):
            # RFC 6750 §2.1; XOAUTH2 sets the token off by control characters.
            raise CredentialsError("The token has characters that no token has.")


def _check(what: str, text: str, most: int) -> None:
    try:
        octets = len(text.encode())
    except UnicodeEncodeError:
        raise CredentialsError(f"The {what} has characters that cannot be sent.") from None
    if octets > most:
        raise CredentialsError(f"The {what} has more than {most} octets.")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise CredentialsError(f"The {what} has control characters.")
