"""DKIM signatures for outgoing mail (RFC 6376, RFC 8301, RFC 8463).

    keys.py         private keys of both algorithms: made, kept as bytes, used
    record.py       the TXT record that publishes a key: written, read, compared
    canonical.py    a message cut into fields and body, and brought into canonical form
    selection.py    which header fields are signed, and which are sealed against additions
    signer.py       all of that for one domain: a message in, signature fields out

    signer = Signer("mailweb.test", [Identity(selector="s1", key=SigningKey.generate(Algorithm.RSA))])
    wire = signer.signatures(message, at=now) + message

Pure: bytes and values in, bytes and values out; no DNS, no clock, no Django. Signatures of others
are not verified here. There is no `l=`: a body that can be added to is not a signed body.
"""

from __future__ import annotations

from delivery.dkim.canonical import Form
from delivery.dkim.keys import Algorithm, BadKeyError, SigningKey
from delivery.dkim.record import BadRecordError, KeyRecord, character_strings, record_name
from delivery.dkim.sender import from_domain
from delivery.dkim.signer import Identity, Signer

__all__ = [
    "Algorithm",
    "BadKeyError",
    "BadRecordError",
    "Form",
    "Identity",
    "KeyRecord",
    "Signer",
    "SigningKey",
    "character_strings",
    "from_domain",
    "record_name",
]
