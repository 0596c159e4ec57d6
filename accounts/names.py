"""The names people type: domains and addresses, brought into the one form that is stored.

Domains are lower-case A-labels (RFC 5890), local parts are compared without regard to case.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import idna

from mailweb.lib.errors import UserError

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LONGEST_LOCAL_PART = 64  # octets, RFC 5321 §4.5.3.1.1


class BadDomainError(UserError):
    """Enter a domain name, such as mailweb.test."""


class BadAddressError(UserError):
    """Enter an address, such as alice@mailweb.test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressName:
    """An address in its stored form."""

    local_part: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"


def parse_domain(text: str) -> str:
    """Return the domain as lower-case A-labels.

    Raises:
        BadDomainError: it is no host name, has a single label, or is an IP address.
    """
    name = text.strip().rstrip(".")
    try:
        ascii_name = idna.encode(name, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise BadDomainError(field="domain") from None
    labels = ascii_name.split(".")
    if len(labels) < 2 or labels[-1].isdigit():
        raise BadDomainError(field="domain")
    return ascii_name


def display_domain(name: str) -> str:
    """Return the domain as people read it: U-labels where they are valid."""
    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return name


def display_name(target: str) -> str:
    """Return an address or a domain as people read it."""
    local, at, domain = target.rpartition("@")
    return f"{local}{at}{display_domain(domain)}"


def parse_address(text: str) -> AddressName:
    """Return the address with a lower-case local part and a domain in A-labels.

    Quoted local parts are refused: they are legal, but nobody can type them reliably.

    Raises:
        BadAddressError: it is no plain address.
        BadDomainError: what follows the @ is no domain.
    """
    local, at, domain = text.strip().rpartition("@")
    local = unicodedata.normalize("NFC", local).lower()
    too_long = len(local.encode()) > _LONGEST_LOCAL_PART
    if not at or too_long or not _DOT_ATOM.fullmatch(local) or not local.isprintable():
        raise BadAddressError(field="address")
    return AddressName(local_part=local, domain=parse_domain(domain))
