"""What the page /lab/ shows: mail that the hosts of the demo's own internet accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from delivery.lab import GROUPS, Accepted, read_directory, read_message

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

SHOWN = 25
MAX_SHOWN_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a copy came in, drawn and in words. A server cannot see whether it was verified."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabMail:
    """One accepted message, as its host saw it."""

    url: str
    mail_from: str
    recipients: str
    host: str
    way: Way
    parameters: str
    server_name: str
    size_bytes: int
    accepted_at: datetime
    content: str = ""
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondent:
    """An address to try, and what its server does."""

    address: str
    description: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """Addresses whose servers have something in common."""

    key: str
    title: str
    people: tuple[Correspondent, ...]


def accepted() -> tuple[LabMail, ...]:
    """Return the newest accepted messages, without their content."""
    directory = Path(settings.LAB_DIR)
    return tuple(map(_row, read_directory(directory, has_content=False)[:SHOWN]))


def message(key: UUID) -> LabMail | None:
    """Return one accepted message with its content, or None if the lab has dropped it."""
    found = read_message(Path(settings.LAB_DIR) / f"{key.hex}.json")
    return None if found is None else _row(found)


def neighbourhoods() -> tuple[Neighbourhood, ...]:
    """Return every address to try, under headings."""
    compose = reverse("webmail:compose")
    return tuple(
        Neighbourhood(
            key=f"lab-group-{number}",
            title=title,
            people=tuple(
                Correspondent(
                    address=f"someone@{profile.domain}",
                    description=profile.description,
                    url=f"{compose}?{urlencode({'to': f'someone@{profile.domain}'})}",
                )
                for profile in group
            ),
        )
        for number, (title, group) in enumerate(GROUPS.items(), 1)
    )


def _row(one: Accepted) -> LabMail:
    shown = one.content[:MAX_SHOWN_BYTES]
    return LabMail(
        url=reverse("webmail:lab-message", args=[one.uuid]),
        mail_from=one.mail_from or "<>",
        recipients=", ".join(one.recipients),
        host=f"{one.host} ({one.address})",
        way=_way(one),
        parameters=" ".join(one.mail_parameters),
        server_name=one.tls.server_name if one.tls else "",
        size_bytes=one.size_bytes,
        accepted_at=one.accepted_at,
        content=shown.decode("utf-8", "replace").replace("\r\n", "\n"),
        is_cut=len(shown) < len(one.content),
    )


def _way(one: Accepted) -> Way:
    if one.tls is None:
        return Way(kind="plain", words="Plain text")
    version = one.tls.version.replace("TLSv", "TLS ")
    if one.has_requiretls:
        return Way(kind="req", words=f"{version}, REQUIRETLS")
    return Way(kind="tls", words=version)
