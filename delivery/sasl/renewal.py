"""Renewing access tokens by a refresh token (RFC 6749 §6): what is asked, and what answers mean.

Rule: only an error that the token server names in the words of RFC 6749 §5.2 is final. Whatever
else comes back, or nothing, may be different the next time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from delivery.sasl.credentials import Credentials, CredentialsError

MAX_ANSWER: Final = 64 * 1024
USUAL_LIFE: Final = timedelta(hours=1)
"""Of a token whose server does not say how long it is good for (RFC 6749 §5.1 lets it)."""

LONGEST_LIFE: Final = timedelta(days=7)
RENEWED_BEFORE: Final = timedelta(minutes=5)
LONGEST_QUOTE: Final = 200

_FINAL: Final = frozenset(
    {
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


class TokenError(Exception):
    """There is no token; the message says why. `is_final`: a person has to do something."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where tokens are renewed; always by HTTPS."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """Read a URL.

        Raises:
            ValueError: it is none that tokens may be asked for at.
        """
        parts = urlsplit(url)
        has_more = parts.username is not None or parts.password is not None or parts.fragment
        if parts.scheme != "https" or not parts.hostname or has_more:
            raise ValueError("not a plain https:// address")
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise ValueError("not an address of the web")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(host=parts.hostname, port=parts.port or 443, path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What tokens are asked for with; its secrets do not show when it is printed."""

    endpoint: Endpoint
    client_id: str
    refresh_token: str = field(repr=False)
    client_secret: str = field(default="", repr=False)
    scope: str = ""

    @property
    def body(self) -> bytes:
        """The request (RFC 6749 §6); the client proves itself in it (§2.3.1)."""
        parts = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": self.scope,
        }
        return urlencode({name: value for name, value in parts.items() if value}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A new access token, how long to use it, and the refresh token to ask with the next time."""

    token: str = field(repr=False)
    used_for: timedelta
    refresh_token: str = field(repr=False)


def read(status: int, text: str, grant: Grant) -> Renewed:
    """Return what a token server issued.

    Raises:
        TokenError: it issued nothing.
    """
    host = grant.endpoint.host
    answer = _object(text)
    if status != 200:
        raise _refused(status, answer, grant)
    token, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(token, str) or str(kind).lower() != "bearer":
        raise TokenError(f"{host} answered without a bearer token.")
    try:
        Credentials(username="x", token=token)
    except CredentialsError as error:
        raise TokenError(f"{host} issued a token that can't be used: {error}") from None
    again = answer.get("refresh_token")
    return Renewed(
        token=token,
        used_for=_used_for(answer.get("expires_in")),
        refresh_token=again if isinstance(again, str) and again else grant.refresh_token,
    )


def _used_for(seconds: object) -> timedelta:
    """Return for how long a token is used: a short-lived one for most of its life."""
    try:
        life = timedelta(seconds=int(str(seconds)))
    except (ValueError, OverflowError):
        life = USUAL_LIFE
    life = min(max(life, timedelta(0)), LONGEST_LIFE)
    return max(life - RENEWED_BEFORE, life * 3 / 4)


def _refused(status: int, answer: dict[str, Any], grant: Grant) -> TokenError:
    host, error = grant.endpoint.host, answer.get("error")
    if not isinstance(error, str) or error not in _FINAL:
        return TokenError(f"{host} answered {status} to the request for a new token.")
    said = " ".join(str(answer.get("error_description") or "").split())
    is_told = any(one and one in said for one in (grant.refresh_token, grant.client_secret))
    quote = f" ({said[:LONGEST_QUOTE]})" if said and not is_told else ""
    return TokenError(f"{host} refused to issue a new token: {error}{quote}.", is_final=True)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
