"""Secrets that lie in the database sealed, so that a copy of the database alone opens none.

The key comes from SECRET_KEY, another one for each purpose. After SECRET_KEY was changed, what was
sealed before can still be opened as long as the old one stands in SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class BrokenSealError(Exception):
    """This was sealed with another SECRET_KEY or for another purpose, or was changed since."""


def seal(data: bytes, *, purpose: str) -> bytes:
    """Return `data` encrypted and signed (Fernet); `purpose` must be named again to open it."""
    return _box(settings.SECRET_KEY, purpose).encrypt(data)


def unseal(sealed: bytes, *, purpose: str) -> bytes:
    """Return what was sealed.

    Raises:
        BrokenSealError: it can't be opened.
    """
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    boxes = MultiFernet([_box(secret, purpose) for secret in secrets])
    try:
        return boxes.decrypt(sealed)
    except InvalidToken:
        raise BrokenSealError from None


@lru_cache(maxsize=16)
def _box(secret: str, purpose: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=f"mailweb {purpose}".encode())
    return Fernet(base64.urlsafe_b64encode(derived.derive(secret.encode())))
