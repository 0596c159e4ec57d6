"""Private keys that sign, of the two algorithms that count today.

RFC 8301 §3: rsa-sha1 is not used, and RSA keys have 2048 bits. RFC 8463: Ed25519 beside it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

RSA_BITS: Final = 2048
LEAST_RSA_BITS: Final = 1024  # RFC 8301 §3.2: nobody accepts a signature of fewer

_PADDING: Final = padding.PKCS1v15()
_SHA256: Final = hashes.SHA256()


class BadKeyError(Exception):
    """This is not a private key that can sign."""


class Algorithm(StrEnum):
    """A kind of key, as the `k=` of its record names it."""

    RSA = "rsa"
    ED25519 = "ed25519"

    @property
    def tag(self) -> str:
        """What the `a=` of a signature says."""
        return f"{self.value}-sha256"

    @property
    def shown(self) -> str:
        """Its name for people."""
        return {Algorithm.RSA: "RSA", Algorithm.ED25519: "Ed25519"}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key. Its `repr` says only of which kind it is."""

    algorithm: Algorithm
    _private: rsa.RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, algorithm: Algorithm) -> Self:
        """Make a new key; an RSA key takes a moment (a tenth of a second or so)."""
        if algorithm is Algorithm.ED25519:
            return cls(algorithm=algorithm, _private=Ed25519PrivateKey.generate())
        made = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        return cls(algorithm=algorithm, _private=made)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` returned and nobody else can have changed since.

        That the numbers of an RSA key fit each other is not checked again: it takes 25 ms.

        Raises:
            BadKeyError: it is no key, of another kind, or too short.
        """
        try:
            private = serialization.load_der_private_key(
                data, password=None, unsafe_skip_rsa_key_validation=True
            )
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadKeyError(str(error)) from error
        if isinstance(private, Ed25519PrivateKey):
            return cls(algorithm=Algorithm.ED25519, _private=private)
        if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= LEAST_RSA_BITS:
            return cls(algorithm=Algorithm.RSA, _private=private)
        raise BadKeyError("neither Ed25519 nor RSA of a sufficient length")

    def to_bytes(self) -> bytes:
        """Return the private key as PKCS #8 in DER, unencrypted."""
        return self._private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def public(self) -> bytes:
        """What the `p=` of its record holds: RFC 6376 §3.6.1 for RSA, RFC 8463 §4 for Ed25519."""
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.public_key().public_bytes_raw()
        return self._private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data: bytes) -> bytes:
        """Sign the SHA-256 hash of `data`."""
        if isinstance(self._private, Ed25519PrivateKey):
            # RFC 8463 §3: plain Ed25519 over the hash, not over the data.
            return self._private.sign(hashlib.sha256(data).digest())
        return self._private.sign(data, _PADDING, _SHA256)
