"""One message of 5 KB and one RSA key, signed by Mailweb's signer and by dkimpy."""

from __future__ import annotations

from datetime import UTC, datetime

import dkim
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from bench.load import SIZE
from delivery.dkim import Algorithm, Identity, Signer, SigningKey

DOMAIN, SELECTOR = "mailweb.test", "bench"
HEADER = (
    b"From: Alice <alice@mailweb.test>\r\nTo: friend@pkix.test\r\nSubject: Load\r\n"
    b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@mailweb.test>\r\n\r\n"
)
LINE = b"About seventy octets, as a line of a letter usually has them.\r\n"


class Signing:
    """Both signers, with the same key and the same canonical forms."""

    def __init__(self) -> None:
        key = SigningKey.generate(Algorithm.RSA)
        self._message = HEADER + LINE * ((SIZE - len(HEADER)) // len(LINE))
        self._signer = Signer(DOMAIN, [Identity(selector=SELECTOR, key=key)])
        self._pem = load_der_private_key(key.to_bytes(), password=None).private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )

    def ours(self) -> None:
        """Sign once as the worker does."""
        self._signer.signatures(self._message, at=datetime.now(UTC))

    def dkimpy(self) -> None:
        """Sign once as dkimpy does."""
        dkim.sign(
            self._message,
            SELECTOR.encode(),
            DOMAIN.encode(),
            self._pem,
            canonicalize=(b"relaxed", b"relaxed"),
        )
