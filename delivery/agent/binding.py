"""What a log-in can be bound to on one TLS connection, best first.

Python's `ssl` has the certificate and `tls-unique`, but neither the exporter of RFC 5705 that
`tls-exporter` is made of, nor whether the extended master secret (RFC 7627) was agreed on, without
which `tls-unique` proves nothing. Both are asked of the OpenSSL that Python itself has loaded.
Rule: the pointer to the connection is used only where the structures around it are, beyond doubt,
those that were expected; anywhere else there are just fewer bindings.
"""

from __future__ import annotations

import ctypes
import ssl
import sys
from functools import lru_cache
from types import ModuleType
from typing import Final

from delivery.sasl.bindings import EXPORTER, UNIQUE, ChannelBinding, tls_server_end_point

LABEL: Final = b"EXPORTER-Channel-Binding"
LENGTH: Final = 32
"""RFC 9266 §2: what is exported; the context is empty, which is not the same as none."""

_GET_EXTENDED_MASTER_SECRET_SUPPORT: Final = 122
"""`SSL_CTRL_GET_EXTMS_SUPPORT` of openssl/ssl.h."""

_WORD: Final = ctypes.sizeof(ctypes.c_void_p)
_HEAD: Final = object.__basicsize__


class _OpenSsl:
    """The few functions of libssl that are needed."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._export = library.SSL_export_keying_material
        self._export.argtypes = (
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_int,
        )
        self._export.restype = ctypes.c_int
        self._control = library.SSL_ctrl
        self._control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p)
        self._control.restype = ctypes.c_long
        self._context_of = library.SSL_get_SSL_CTX
        self._context_of.argtypes = (ctypes.c_void_p,)
        self._context_of.restype = ctypes.c_void_p

    def owns(self, connection: int, context: int) -> bool:
        """Return whether the connection was made from this context."""
        return bool(self._context_of(connection) == context)

    def export(self, connection: int) -> bytes:
        """Return the exported value, b"" if there is none."""
        out = ctypes.create_string_buffer(LENGTH)
        done = self._export(connection, out, LENGTH, LABEL, len(LABEL), b"", 0, 1)
        return out.raw if done == 1 else b""

    def has_extended_master_secret(self, connection: int) -> bool:
        """Return whether the extended master secret was agreed on (RFC 7627)."""
        return bool(self._control(connection, _GET_EXTENDED_MASTER_SECRET_SUPPORT, 0, None) == 1)


def bindings_of(connection: ssl.SSLObject) -> tuple[ChannelBinding, ...]:
    """Return what a log-in on this connection can be bound to, best first."""
    certificate = connection.getpeercert(binary_form=True)
    end_point = tls_server_end_point(certificate) if certificate else None
    found = (_of_the_connection(connection), end_point)
    return tuple(binding for binding in found if binding is not None)


def _of_the_connection(connection: ssl.SSLObject) -> ChannelBinding | None:
    """Return the binding to this very connection, if there is a safe one."""
    library, pointer = _openssl(), _pointer(connection)
    if library is None or pointer is None:
        return None
    if connection.version() == "TLSv1.3":
        exported = library.export(pointer)
        return ChannelBinding(EXPORTER, exported) if exported else None
    # RFC 7627 §6.1: without it, two connections can be made to have the same value.
    is_unique = connection.version() == "TLSv1.2" and library.has_extended_master_secret(pointer)
    finished = connection.get_channel_binding("tls-unique") if is_unique else None
    return ChannelBinding(UNIQUE, finished) if finished else None


@lru_cache(maxsize=1)
def _openssl() -> _OpenSsl | None:
    module: ModuleType | None = sys.modules.get("_ssl")
    path = getattr(module, "__file__", None)
    if path is None or sys.implementation.name != "cpython":
        return None
    try:
        # Through the handle of Python's module the functions are found in the library it uses.
        return _OpenSsl(ctypes.CDLL(path))
    except (OSError, AttributeError):
        return None


def _pointer(connection: ssl.SSLObject) -> int | None:
    """Return where OpenSSL has the connection, or None where that cannot be told for certain.

    CPython's structure begins with a reference to the socket, the connection, and a reference to
    the context, whose own first member is OpenSSL's context. The reference is compared before
    anything is followed, and OpenSSL must name the same context for the connection.
    """
    library = _openssl()
    inner = getattr(connection, "_sslobj", None)
    context = connection.context
    if library is None or inner is None or type(inner).__basicsize__ < _HEAD + 3 * _WORD:
        return None
    _, pointer, owner = (ctypes.c_void_p * 3).from_address(id(inner) + _HEAD)
    if owner != id(context) or not pointer:
        return None
    made_from = ctypes.c_void_p.from_address(id(context) + _HEAD).value
    return pointer if made_from and library.owns(pointer, made_from) else None
