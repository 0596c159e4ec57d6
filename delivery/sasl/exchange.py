"""The exchange as SMTP AUTH frames it (RFC 4954): commands out, replies in, until it has ended.

Rule: it ends well only if the server said so after, and only after, the mechanism was through.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from delivery.sasl.mechanism import Client, Mechanism, MechanismError
from delivery.sasl.oauth import XOauth2
from delivery.smtp import (
    Auth,
    AuthCancel,
    AuthResponse,
    LocalProtocolError,
    RemoteProtocolError,
    Reply,
)

MAX_COMMAND: Final = 512
"""RFC 4954 §4: a command with an initial response is no longer than any other (RFC 5321 §4.5.3.1.4)."""


class Result(StrEnum):
    """How an exchange ended."""

    LOGGED_IN = "logged-in"
    REFUSED = "refused"
    """The server said no, with a reply of 4yz or 5yz."""

    BROKEN = "broken"
    """The server broke the rules, of AUTH or of the mechanism: it may not be who we think."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of one exchange.

    `why` says in words what was wrong, never with any secret. `reply` is the last one, if it meant
    a refusal. `has_proved` says whether the server had a proof of the secret to refuse.
    `is_usable` says that the session goes on in order and another exchange may follow.
    """

    result: Result
    mechanism: Mechanism
    why: str = ""
    reply: Reply | None = None
    has_proved: bool = False
    is_usable: bool = True


class Exchange:
    """One log-in. Say what `begin` returns, give the replies to `take`, and say what that returns."""

    def __init__(self, client: Client) -> None:
        self.ending: Ending | None = None
        self._client = client
        self._late: bytes | None = None
        self._why = ""

    def begin(self) -> Auth:
        """Return the command that starts it, with the initial response if it fits there."""
        name = self._client.name.value
        response = self._client.initial_response()
        command = Auth(name, response)
        if len(command.to_bytes()) > MAX_COMMAND:
            command, self._late = Auth(name), response
        return command

    def take(self, reply: Reply) -> AuthResponse | AuthCancel | None:
        """Return what answers `reply`, or None once there is an `ending`."""
        if self._why:
            self._end_cancelled(reply)
            return None
        if reply.is_intermediate:
            return self._answer(reply)
        if reply.is_positive:
            self._end_positive(reply)
        else:
            self._end(Result.REFUSED, self._refused_because(), reply=reply)
        return None

    def _answer(self, reply: Reply) -> AuthResponse | AuthCancel:
        try:
            return AuthResponse(self._response_to(reply))
        except (MechanismError, RemoteProtocolError, LocalProtocolError) as error:
            self._why = str(error).rstrip(".")
            return AuthCancel()

    def _response_to(self, reply: Reply) -> bytes:
        if reply.code != 334:
            raise MechanismError(f"{reply.code} is no challenge")
        if len(reply.lines) > 1:
            raise MechanismError("the challenge has several lines")
        challenge = reply.decode_challenge()
        if self._late is not None:
            # RFC 4954 §4: without an initial response the server's first challenge is empty.
            if challenge:
                raise MechanismError("the server's first challenge is not empty")
            response, self._late = self._late, None
            return response
        return self._client.respond(challenge)

    def _end_positive(self, reply: Reply) -> None:
        if self._late is not None or not self._client.is_complete:
            self._end(
                Result.BROKEN,
                "the server says that we are logged in before it can know",
                reply=reply,
                is_usable=False,
            )
        else:
            self._end(Result.LOGGED_IN)

    def _end_cancelled(self, reply: Reply) -> None:
        # RFC 4954 §4: "*" is answered by 501; whoever goes on does not follow.
        self._end(Result.BROKEN, self._why, reply=reply, is_usable=reply.is_permanent)

    def _refused_because(self) -> str:
        if isinstance(self._client, XOauth2) and self._client.status:
            return f"status {self._client.status}"
        return ""

    def _end(
        self, result: Result, why: str = "", *, reply: Reply | None = None, is_usable: bool = True
    ) -> None:
        self.ending = Ending(
            result=result,
            mechanism=self._client.name,
            why=why,
            reply=reply,
            has_proved=self._client.has_proved and self._late is None,
            is_usable=is_usable,
        )
