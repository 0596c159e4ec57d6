"""How a session can end early. Each becomes an outcome; none leaves the agent."""

from __future__ import annotations

from delivery.policy.outcome import Outcome


class SessionError(Exception):
    """A session ended before its time.

    `outcome` says what that means for the message; its scope is the host unless the message
    may already be on its way.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.public)
        self.outcome = outcome


class ConnectError(SessionError):
    """No connection came about."""


class LostError(SessionError):
    """The server closed, fell silent, or spoke something that is not SMTP."""


class SilentError(LostError):
    """The server fell silent; it may still be at work."""


class RefusedError(SessionError):
    """The server refused the session before any mail was spoken of."""


class TlsError(SessionError):
    """STARTTLS was agreed on, and then TLS did not work."""


class TurnedAwayError(SessionError):
    """Nothing was tried: the host is left alone for a while. `outcome.not_before` says until when."""


class WindingDownError(TurnedAwayError):
    """Nothing was tried: this agent begins nothing any more."""
