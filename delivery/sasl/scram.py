"""SCRAM (RFC 5802, RFC 7677), by the library scramp inside limits of our own.

Rule: what a server sends is looked at here before the library works with it, because a client
does as much work as the server's iteration count says.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

from scramp import ScramClient, ScramException

from delivery.sasl.bindings import UNIQUE, ChannelBinding
from delivery.sasl.credentials import Credentials
from delivery.sasl.mechanism import Mechanism, MechanismError

MIN_ITERATIONS: Final = 4096
"""RFC 5802 §5.1, RFC 7677 §4."""

MAX_ITERATIONS: Final = 600_000
"""About a third of a second of work; a server that wants more wants to keep us busy."""

MIN_SALT: Final = 12
"""Octets, which is what the library insists on; servers in use take 12 and more."""

MAX_SALT: Final = 256
MAX_NONCE: Final = 512
MAX_MESSAGE: Final = 2048

# RFC 5802 §7: the nonce, the salt and the iteration count, in this order; extensions behind.
_SERVER_FIRST: Final = re.compile(
    r"r=(?P<nonce>[!-+\--~]+),s=(?P<salt>[A-Za-z0-9+/]+={0,2}),i=(?P<count>[1-9][0-9]*)"
    r"(?:,[A-Za-z]=[^,\0]+)*"
)
_SERVER_FINAL: Final = re.compile(r"v=[A-Za-z0-9+/]+={0,2}(?:,[A-Za-z]=[^,\0]+)*")
_ERROR: Final = re.compile(r"e=(?P<error>[a-z-]{1,60})(?:,.*)?")


class Scram:
    """One log-in by SCRAM; `binding` is used by a PLUS, and by others turns the flag to `y`.

    RFC 5802 §6: `y` says "I could bind, and believe that you cannot", which a server whose PLUS
    was struck out on the way will not let pass.
    """

    def __init__(
        self,
        name: Mechanism,
        credentials: Credentials,
        *,
        nonce: str,
        binding: ChannelBinding | None = None,
    ) -> None:
        self.name = name
        self.is_complete = False
        self.has_proved = False
        self._nonce = nonce
        self._step = 0
        try:
            self._client = ScramClient(
                [name.value],
                credentials.username,
                credentials.secret,
                channel_binding=None if binding is None else (UNIQUE, binding.data),
                c_nonce=nonce,
            )
        except ScramException as error:
            raise MechanismError(
                f"SCRAM cannot carry these credentials: {error}", is_ours=True
            ) from None
        if binding is not None:
            # The library refuses "tls-exporter" by name, but does not care what a name stands for.
            self._client.cb.name.cb_name = binding.name

    def initial_response(self) -> bytes:
        return str(self._client.get_client_first()).encode()

    def respond(self, challenge: bytes) -> bytes:
        self._step += 1
        text = _text(challenge)
        if error := _ERROR.fullmatch(text):
            raise MechanismError(f"the server says “{error['error']}”")
        try:
            return self._final(text) if self._step == 1 else self._end(text)
        except ScramException as error:
            raise MechanismError(str(error)) from None

    def _final(self, text: str) -> bytes:
        _check_server_first(text, self._nonce)
        self._client.set_server_first(text)
        response = str(self._client.get_client_final()).encode()
        self.has_proved = True
        return response

    def _end(self, text: str) -> bytes:
        if self._step > 2:
            raise MechanismError("the server goes on after the end")
        if not _SERVER_FINAL.fullmatch(text):
            raise MechanismError("the server's last message is malformed")
        self._client.set_server_final(text)
        self.is_complete = True
        return b""


def _text(challenge: bytes) -> str:
    if len(challenge) > MAX_MESSAGE:
        raise MechanismError("the server's message is too long")
    try:
        return challenge.decode()
    except UnicodeDecodeError:
        raise MechanismError("the server's message is not UTF-8") from None


def _check_server_first(text: str, nonce: str) -> None:
    """Refuse what must not be worked with.

    Raises:
        MechanismError: a mandatory extension, a nonce that is not ours prolonged, a short salt, or
            an iteration count that is too low to protect the password or too high to be serious.
    """
    if text.startswith("m="):
        raise MechanismError("the server demands an extension that does not exist here")
    found = _SERVER_FIRST.fullmatch(text)
    if found is None:
        raise MechanismError("the server's first message is malformed")
    theirs = found["nonce"]
    if not theirs.startswith(nonce) or not len(nonce) < len(theirs) <= MAX_NONCE:
        raise MechanismError("the server's nonce does not prolong ours")
    try:
        salt = b64decode(found["salt"], validate=True)
    except Base64Error:
        raise MechanismError("the salt is not base64") from None
    if not MIN_SALT <= len(salt) <= MAX_SALT:
        raise MechanismError(f"the salt has {len(salt)} octets")
    digits = found["count"]
    if len(digits) > 9 or not MIN_ITERATIONS <= int(digits) <= MAX_ITERATIONS:
        raise MechanismError(
            f"{digits[:12]} iterations are not within {MIN_ITERATIONS} and {MAX_ITERATIONS}"
        )
