"""The certificate authorities that are trusted, read once for each configuration."""

from __future__ import annotations

import ssl
import warnings
from functools import lru_cache
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.x509.verification import Store

from delivery.policy.certificates import store_of


@lru_cache(maxsize=8)
def trusted_roots(ca_file: str) -> Store:
    """Return the system's roots and those of `ca_file`, ready for verification."""
    with warnings.catch_warnings():
        # Some old roots have serial numbers or keys that newer rules disapprove of.
        warnings.simplefilter("ignore")
        return store_of(x509.load_pem_x509_certificates(_pem(ca_file)))


@lru_cache(maxsize=8)
def https_context(ca_file: str) -> ssl.SSLContext:
    """Return the context for HTTPS: certificate and name are verified in the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=_pem(ca_file).decode("ascii", "ignore"))
    return context


def _pem(ca_file: str) -> bytes:
    system = ssl.get_default_verify_paths().cafile or certifi.where()
    extra = Path(ca_file).read_bytes() if ca_file else b""
    return Path(system).read_bytes() + b"\n" + extra
