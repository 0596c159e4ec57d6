"""The mechanisms by name and strength, and what each of them is to an exchange."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Protocol


class Mechanism(StrEnum):
    """A SASL mechanism, strongest first."""

    SCRAM_SHA_256_PLUS = "SCRAM-SHA-256-PLUS"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_1_PLUS = "SCRAM-SHA-1-PLUS"
    SCRAM_SHA_1 = "SCRAM-SHA-1"
    CRAM_MD5 = "CRAM-MD5"
    XOAUTH2 = "XOAUTH2"
    PLAIN = "PLAIN"
    LOGIN = "LOGIN"

    @property
    def rank(self) -> int:
        """How strong it is: 0 is the strongest."""
        return _RANKS[self]

    @property
    def binds(self) -> bool:
        """Whether it ties the log-in to this TLS connection."""
        return self in BINDING

    @property
    def is_scram(self) -> bool:
        """Whether it is SCRAM, bound or not."""
        return self.startswith("SCRAM-")

    @property
    def reveals(self) -> bool:
        """Whether the server, or whoever listens, learns the secret itself."""
        return self in _REVEALING


class MechanismError(Exception):
    """The server broke the rules of the mechanism.

    `is_ours` says that the credentials cannot be used with it, whatever the server says.
    """

    def __init__(self, message: str, *, is_ours: bool = False) -> None:
        super().__init__(message)
        self.is_ours = is_ours


class Client(Protocol):
    """The client's half of one mechanism, for one log-in."""

    @property
    def name(self) -> Mechanism:
        """Which mechanism it is."""

    @property
    def is_complete(self) -> bool:
        """Whether the server may say now that we are logged in."""

    @property
    def has_proved(self) -> bool:
        """Whether the server has seen a proof of the secret, so that its refusal may mean that."""

    def initial_response(self) -> bytes | None:
        """Return what the client says first, or None if the server does."""

    def respond(self, challenge: bytes) -> bytes:
        """Return the answer to a challenge.

        Raises:
            MechanismError: the challenge must not be answered.
        """


_RANKS: Final = {mechanism: rank for rank, mechanism in enumerate(Mechanism)}
_REVEALING: Final = frozenset({Mechanism.XOAUTH2, Mechanism.PLAIN, Mechanism.LOGIN})

BINDING: Final = frozenset({Mechanism.SCRAM_SHA_256_PLUS, Mechanism.SCRAM_SHA_1_PLUS})

DEFAULT_MECHANISMS: Final = tuple(
    mechanism for mechanism in Mechanism if mechanism not in (Mechanism.PLAIN, Mechanism.LOGIN)
)
"""What is used unless an operator says otherwise: PLAIN and LOGIN only if somebody asks for them."""


def known(names: Iterable[str]) -> tuple[Mechanism, ...]:
    """Return those of `names` that are known here, strongest first."""
    upper = {name.upper() for name in names}
    return tuple(mechanism for mechanism in Mechanism if mechanism in upper)


def strongest(*names: str) -> Mechanism | None:
    """Return the strongest of `names`; those that are empty or not known do not count."""
    return next(iter(known(names)), None)
