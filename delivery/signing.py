"""Whose key signs which message.

Delivery does not know which domains have keys here. The setting DKIM_KEYRING names the class that
does; it is asked once for all messages of a claim. Mail is never lost or late for want of a
signature: without a key, or with one that is broken, it goes unsigned, and the log says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from delivery.dkim import Signer, from_domain

logger = logging.getLogger(__name__)


class Keyring(Protocol):
    """What the named class offers."""

    def has_any(self) -> bool:
        """Return whether any domain has a key to sign with."""

    def signers_for(self, domains: set[str]) -> Mapping[str, Signer]:
        """Return who signs for each of `domains` (A-labels); those without a key are left out."""

    def records(self) -> Iterable[tuple[str, str]]:
        """Return the name and text of every record that publishes a key."""


def keyring() -> Keyring:
    """Return the installation's keys."""
    return cast("Keyring", import_string(settings.DKIM_KEYRING)())


class MessageSigner:
    """Signs one message: each form of its content once, whatever number of jobs and sessions."""

    def __init__(self, signer: Signer, *, at: datetime) -> None:
        self._signer = signer
        self._at = at
        self._made: dict[bytes, bytes] = {}

    def __call__(self, content: bytes) -> bytes:
        """Return the signature fields to put in front of `content`; none if that goes wrong."""
        made = self._made.get(content)
        if made is None:
            made = self._made[content] = self._sign(content)
        return made

    def _sign(self, content: bytes) -> bytes:
        try:
            return self._signer.signatures(content, at=self._at)
        except Exception:
            # Whatever it is, it would be there at each retry: better unsigned than never.
            logger.exception("message goes unsigned", extra={"domain": self._signer.domain})
            return b""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that have signed, for people: `s1 (RSA)`."""
        if not any(self._made.values()):
            return ()
        return tuple(
            f"{each.selector} ({each.key.algorithm.shown})" for each in self._signer.identities
        )


def signers_of(contents: Mapping[int, bytes], *, at: datetime) -> dict[int, MessageSigner]:
    """Return who signs each message, by its key; those that go unsigned are left out.

    Where nobody signs, not even their From is read.
    """
    if not keyring().has_any():
        logger.info("mail goes unsigned: no key", extra={"messages": len(contents)})
        return {}
    domains = {pk: _domain_of(content) for pk, content in contents.items()}
    wanted = set(domains.values()) - {""}
    signers = keyring().signers_for(wanted) if wanted else {}
    for domain in wanted - set(signers):
        logger.info("mail goes unsigned: no key", extra={"domain": domain})
    return {
        pk: MessageSigner(signers[domain], at=at)
        for pk, domain in domains.items()
        if domain in signers
    }


def _domain_of(content: bytes) -> str:
    try:
        return from_domain(content)
    except Exception:
        # One odd header must not hold up every message of a claim, again and again.
        logger.exception("message goes unsigned: its From can't be read")
        return ""
