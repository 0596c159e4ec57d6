"""XOAUTH2, as Google and Microsoft define it: an OAuth 2 access token in one response."""

from __future__ import annotations

import json
import re
from typing import Final

from delivery.sasl.credentials import Credentials
from delivery.sasl.mechanism import Mechanism, MechanismError

MAX_CHALLENGE: Final = 2048

_STATUS: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


class XOauth2:
    """One log-in by token. After an error the server waits for an empty response, then refuses."""

    name = Mechanism.XOAUTH2

    def __init__(self, credentials: Credentials) -> None:
        self.is_complete = False
        self.has_proved = False
        self.status = ""
        self._credentials = credentials

    def initial_response(self) -> bytes:
        self.is_complete = self.has_proved = True
        one, two = self._credentials.username, self._credentials.token
        return f"user={one}\x01auth=Bearer {two}\x01\x01".encode()

    def respond(self, challenge: bytes) -> bytes:
        if not self.is_complete:
            raise MechanismError("the server goes on after the end")
        # What comes now can only be the error: no success may follow it.
        self.is_complete = False
        self.status = _status(challenge)
        return b""


def _status(challenge: bytes) -> str:
    """Return the status of the error, such as "401".

    Raises:
        MechanismError: the challenge is no error of XOAUTH2.
    """
    try:
        found = json.loads(challenge) if len(challenge) <= MAX_CHALLENGE else None
    except (ValueError, RecursionError):
        found = None
    status = found.get("status") if isinstance(found, dict) else None
    if not isinstance(status, (str, int)) or not _STATUS.fullmatch(str(status)):
        raise MechanismError("the server's error is not one of XOAUTH2")
    return str(status)
