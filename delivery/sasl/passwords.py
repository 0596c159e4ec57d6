"""The mechanisms without mutual proof: CRAM-MD5, PLAIN and LOGIN."""

from __future__ import annotations

import hmac
import re
from typing import Final

from delivery.sasl.credentials import Credentials
from delivery.sasl.mechanism import Mechanism, MechanismError

MAX_CHALLENGE: Final = 1024

# RFC 2195 §2: "<", something unique, "@", a host's name, ">"; some servers leave out the host.
_CRAM: Final = re.compile(rb"<[!-;=?-~]+>")


class Plain:
    """PLAIN (RFC 4616): name and password as they are, in one response."""

    name = Mechanism.PLAIN

    def __init__(self, credentials: Credentials) -> None:
        self.is_complete = False
        self.has_proved = False
        self._credentials = credentials

    def initial_response(self) -> bytes:
        self.is_complete = self.has_proved = True
        return f"\0{self._credentials.username}\0{self._credentials.secret}".encode()

    def respond(self, challenge: bytes) -> bytes:
        raise MechanismError("the server goes on after the end")


class Login:
    """LOGIN: the name, then the password, whatever words the server asks with."""

    name = Mechanism.LOGIN

    def __init__(self, credentials: Credentials) -> None:
        self.is_complete = False
        self.has_proved = False
        self._answers = [credentials.secret, credentials.username]

    def initial_response(self) -> None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        if not self._answers:
            raise MechanismError("the server goes on after the end")
        answer = self._answers.pop()
        self.is_complete = self.has_proved = not self._answers
        return answer.encode()


class CramMd5:
    """CRAM-MD5 (RFC 2195): a digest over the server's challenge; the server proves nothing."""

    name = Mechanism.CRAM_MD5

    def __init__(self, credentials: Credentials) -> None:
        self.is_complete = False
        self.has_proved = False
        self._credentials = credentials

    def initial_response(self) -> None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        if self.is_complete:
            raise MechanismError("the server goes on after the end")
        if len(challenge) > MAX_CHALLENGE or not _CRAM.fullmatch(challenge):
            raise MechanismError("the challenge is not one of CRAM-MD5")
        digest = hmac.new(self._credentials.secret.encode(), challenge, "md5").hexdigest()
        self.is_complete = self.has_proved = True
        return f"{self._credentials.username} {digest}".encode()
