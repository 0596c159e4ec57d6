"""Channel bindings: values that both ends of one TLS connection know, and nobody in between has.

Rule: a value is the same on both ends only if there is one connection; a second one, however well
its certificate looks, gives another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

EXPORTER: Final = "tls-exporter"
"""RFC 9266: the usual one with TLS 1.3."""

UNIQUE: Final = "tls-unique"
"""RFC 5929 §3: TLS 1.2 only."""

END_POINT: Final = "tls-server-end-point"
"""RFC 5929 §4: the server's certificate; holds with any version."""

_BROKEN: Final = ("md5", "sha1")


@dataclass(frozen=True, slots=True)
class ChannelBinding:
    """A kind of binding (RFC 5056 §2.1), and its value for one connection."""

    name: str
    data: bytes = field(repr=False)


def tls_server_end_point(certificate: bytes) -> ChannelBinding | None:
    """Return the binding to the server's certificate in DER.

    None if its signature has no hash of its own (Ed25519): RFC 5929 §4.1 leaves that undefined.
    """
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None
    if algorithm is None:
        return None
    # RFC 5929 §4.1: MD5 and SHA-1 give way to SHA-256, any other hash is the signature's own.
    digest = hashes.Hash(hashes.SHA256() if algorithm.name in _BROKEN else algorithm)
    digest.update(certificate)
    return ChannelBinding(END_POINT, digest.finalize())
