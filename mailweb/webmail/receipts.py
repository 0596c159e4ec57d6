"""Receipts that can be checked later: signed with the installation's own Ed25519 key.

The key is made on first use in DATA_DIR/receipt_key.pem, readable by its owner alone; its public
half can be downloaded (webmail:receipt-key). Two forms are signed:

- JSON: the member "signature" signs the canonical form of the document without that member:
  UTF-8, keys sorted, no white space (`canonical`).
- Text: the signature signs every byte above the line `-----BEGIN SIGNATURE-----`, line ends as
  LF. The part after `Document:` is the canonical JSON again.

`verify_document` and `verify_text` check them; so can any Ed25519 tool (RFC 8032), the public
key is SubjectPublicKeyInfo in PEM. A signature proves that this installation wrote down what it
saw; it proves nothing about what a server did with the message afterwards.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from delivery.selectors import Receipt

_BEGIN = "-----BEGIN SIGNATURE-----"
_END = "-----END SIGNATURE-----"


class ReceiptError(UserError):
    """This receipt was changed, or was not signed with this key."""


def canonical(document: dict[str, Any]) -> bytes:
    """Return the one form of a document that is signed."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def signed_document(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with its signature."""
    key = _key()
    return document | {
        "signature": {
            "algorithm": "Ed25519",
            "key": key_id(key.public_key()),
            "value": base64.b64encode(key.sign(canonical(document))).decode(),
        }
    }


def signed_text(document: dict[str, Any], shown: Receipt) -> str:
    """Return the receipt for people, with the document below it, and the signature of both."""
    key = _key()
    text = f"{_words(document, shown)}\nDocument:\n{canonical(document).decode()}\n"
    value = base64.b64encode(key.sign(text.encode())).decode()
    return f"{text}{_BEGIN}\nEd25519 {key_id(key.public_key())}\n{value}\n{_END}\n"


def verify_document(document: dict[str, Any], public_key: bytes) -> None:
    """Check a JSON receipt.

    Raises:
        ReceiptError: it is not what was signed with the key.
    """
    signature = document.get("signature")
    value = signature.get("value") if isinstance(signature, dict) else None
    bare = {key: kept for key, kept in document.items() if key != "signature"}
    _verify(canonical(bare), str(value or ""), public_key)


def verify_text(text: str, public_key: bytes) -> dict[str, Any]:
    """Check a text receipt and return the document in it.

    Raises:
        ReceiptError: it is not what was signed with the key.
    """
    signed, _, block = text.replace("\r\n", "\n").partition(_BEGIN + "\n")
    lines = block.split("\n")
    if len(lines) < 3 or lines[2] != _END:
        raise ReceiptError
    _verify(signed.encode(), lines[1], public_key)
    document: dict[str, Any] = json.loads(signed.rpartition("\nDocument:\n")[2])
    return document


def public_key() -> bytes:
    """Return the public key as PEM."""
    return _pem(_key().public_key())


def key_id(key: Ed25519PublicKey) -> str:
    """Return a short name for a key."""
    return hashlib.sha256(_pem(key)).hexdigest()[:16]


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _verify(signed: bytes, value: str, public_key: bytes) -> None:
    key = serialization.load_pem_public_key(public_key)
    try:
        signature = base64.b64decode(value, validate=True)
        if not isinstance(key, Ed25519PublicKey):
            raise ReceiptError
        key.verify(signature, signed)
    except (ValueError, InvalidSignature) as error:
        raise ReceiptError from error


def _key() -> Ed25519PrivateKey:
    """Return the installation's key, made on first use. Two first users get the same one."""
    path = Path(settings.DATA_DIR) / "receipt_key.pem"
    if not path.exists():
        _make_key(path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("receipt_key.pem is not an Ed25519 key")
    return key


def _make_key(path: Path) -> None:
    """Write a new key, whole or not at all; whoever is first wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as new:
        new.write(pem)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _words(document: dict[str, Any], shown: Receipt) -> str:
    lines = [
        "Mailweb receipt",
        "",
        f"Message    {document['message_id']}",
        f"From       {document['from']}",
        f"Queued     {document['queued_at']}",
        f"Result     {shown.title}. {shown.summary}",
    ]
    for part in shown.parts:
        lines += ["", part.address, f"  {'Way':<11} {part.outcome}"]
        for label, value, _ in part.facts:
            first, *rest = value.splitlines() or [""]
            lines += [f"  {label:<11} {first}", *(f"  {'':<11} {line}" for line in rest)]
    return "\n".join(line.rstrip() for line in lines) + "\n"
