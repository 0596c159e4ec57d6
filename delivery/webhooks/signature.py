"""Signatures of calls, as the Standard Webhooks specification (1.0) has them.

The receiver computes HMAC-SHA256 over `id.timestamp.body` with the secret it was given, compares
it with what `webhook-signature` says, and refuses timestamps that are minutes away.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a secret in the form that is shown to people."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(*, call_id: str, at: datetime, body: bytes, secret: str) -> dict[str, str]:
    """Return the header fields that prove who made the call, and when."""
    timestamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((call_id.encode(), timestamp.encode(), body))
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": call_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{digest}",
    }
