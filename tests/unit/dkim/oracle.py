"""What another implementation (dkimpy) makes of a signature."""

from __future__ import annotations

from collections.abc import Mapping

import dkim

from delivery.dkim import Algorithm, Identity, KeyRecord, Signer, SigningKey, record_name

DOMAIN = "mailweb.test"
RSA = SigningKey.generate(Algorithm.RSA)
ED25519 = SigningKey.generate(Algorithm.ED25519)
KEYS = {"r": RSA, "e": ED25519}
IDENTITIES = tuple(Identity(selector=selector, key=key) for selector, key in KEYS.items())
BOTH = Signer(DOMAIN, IDENTITIES)


def records(domain: str = DOMAIN) -> dict[str, str]:
    """Return what is published for the keys of these tests."""
    return {
        record_name(selector, domain): str(KeyRecord.of(key.algorithm, key.public))
        for selector, key in KEYS.items()
    }


def verified(message: bytes, published: Mapping[str, str] | None = None) -> list[bool]:
    """Tell of each signature, top down, whether it is good."""
    known = records() if published is None else published
    checker = dkim.DKIM(message, minkey=1024)

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return known.get(name.decode().rstrip("."), "").encode()

    count = sum(name.lower() == b"dkim-signature" for name, _ in checker.headers)
    return [_is_good(checker, at, look_up) for at in range(count)]


def _is_good(checker, at, look_up) -> bool:
    try:
        return bool(checker.verify(idx=at, dnsfunc=look_up))
    except dkim.DKIMException:
        return False
