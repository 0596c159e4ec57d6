"""What the compose page shows, ready to be placed: lines with chips, the ledger, the rail, Send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

from django.conf import settings
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts import selectors as accounts
from delivery.policy.choice import MODE_NAMES
from delivery.policy.modes import Mode
from mailweb.lib.numbers import spelled
from mailweb.webmail import later
from mailweb.webmail.composing import size_in_words
from mailweb.webmail.keeping_back import kept_back
from mailweb.webmail.outlook import outlook_of
from mailweb.webmail.recipients import FIELDS, recipients_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from delivery.policy.words import LedgerRow, WireView
    from delivery.selectors import Consent, CopyView, Outlook
    from mailweb.lib.addresses import Address
    from mailweb.webmail.keeping_back import KeptBack, Suppressed
    from mailweb.webmail.later import Offer
    from mailweb.webmail.mime.parse import PartInfo
    from mailweb.webmail.models import Draft, DraftAttachment
    from mailweb.webmail.recipients import Entry, Recipients

MOST_ROWS: Final = 40
MOST_CHIPS_WITH_BARS: Final = 60
MOST_ERRORS: Final = 5
LABELS: Final = {"to": "To", "cc": "Cc", "bcc": "Bcc"}
MODE_NOTES: Final = {
    Mode.DEFAULT: "As well as each server allows",
    Mode.VERIFIED: "Verified TLS to the server, or not at all",
    Mode.REQUIRETLS: "Verified TLS at every hop, or not at all",
    Mode.OPTIONAL: "Deliver even where TLS is broken",
}
_WIRES_WEAKEST_FIRST: Final = ("cut", "plain", "unk", "tls", "ver", "req")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One recipient in a line: the name, or the address where there is none."""

    field: str = ""
    typed: str = ""
    name: str = ""
    title: str = ""
    error: str = ""
    row: LedgerRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """To, Cc or Bcc with its chips."""

    name: str
    label: str
    chips: tuple[Chip, ...]
    errors: tuple[str, ...]
    general: tuple[str, ...]
    """Those of the errors that are about no single chip."""

    is_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One domain in the ledger, and what its weakest copy will do."""

    row: LedgerRow
    row_id: str
    wire: WireView
    is_open: bool
    check_url: str
    domain_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """What one recipient gets."""

    copy: CopyView
    shown: str
    key: str
    can_check: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeOption:
    """One row of the mode list."""

    value: str
    name: str
    note: str
    is_on: bool
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """A file of the draft, or one that a forward can take along."""

    key: str
    name: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What Send, or a file, came back with."""

    errors: Mapping[str, list[str]] = field(default_factory=dict)
    consents: tuple[Consent, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    cannot: str = ""
    changed: str = ""
    refused_files: tuple[str, ...] = ()
    shows_copies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposePage:
    """Everything compose.html places."""

    draft: Draft
    key: str
    title: str
    is_stored: bool
    is_new: bool
    senders: tuple[str, ...]
    lines: tuple[Line, ...]
    empty_chip: Chip
    smtputf8: tuple[str, ...]
    has_recipients: bool
    servers: tuple[Server, ...]
    hidden_servers: int
    is_checking: bool
    gets: tuple[Get, ...]
    hidden_gets: int
    modes: tuple[ModeOption, ...]
    mode: Mode
    mode_name: str
    is_by_hand: bool
    because: str
    conflict: str
    refused: tuple[Get, ...]
    possible: int
    others: str
    can_default: bool
    weakest: str
    kept: KeptBack
    undo_seconds: int
    offers: tuple[Offer, ...]
    now: datetime
    files: tuple[FileView, ...]
    offered: tuple[FileView, ...]
    files_size: str
    files_bytes: int
    files_limit: str
    max_bytes: int
    asked: Asked


def compose_page(
    draft: Draft, *, now: datetime, asked: Asked | None = None, offered: tuple[PartInfo, ...] = ()
) -> ComposePage:
    """Return the page of a draft, stored or not, from what is known now."""
    recipients = recipients_of(draft)
    outlook = outlook_of(draft, recipients, now=now)
    choice = outlook.choice
    asked = asked or Asked()
    gets = _gets(recipients, outlook)
    refused = tuple(get for get in gets if get.copy.is_refused)
    is_stored = not draft._state.adding
    files = tuple(draft.attachments.defer("data")) if is_stored else ()
    total = sum(file.size_bytes for file in files)
    return ComposePage(
        draft=draft,
        key=str(uuid4()),
        title=_title(draft),
        is_stored=is_stored,
        is_new=not is_stored and not recipients.entries,
        senders=tuple(str(address) for address in accounts.addresses_of(draft.user)),
        lines=_lines(recipients, outlook, asked),
        empty_chip=Chip(),
        smtputf8=tuple(one.shown for one in recipients.copies if one.needs_smtputf8),
        has_recipients=bool(recipients.entries),
        servers=_servers(outlook, reverse("webmail:draft-check", args=[draft.uuid]))[:MOST_ROWS],
        hidden_servers=max(0, len(outlook.rows) - MOST_ROWS),
        is_checking=any(row.is_checking for row in outlook.rows),
        gets=gets[:MOST_ROWS],
        hidden_gets=max(0, len(gets) - MOST_ROWS),
        modes=_modes(choice.mode, is_by_hand=choice.is_by_hand),
        mode=choice.mode,
        mode_name=MODE_NAMES[choice.mode],
        is_by_hand=choice.is_by_hand,
        because=choice.because,
        conflict=choice.conflict,
        refused=refused,
        possible=len(gets) - len(refused),
        others="one" if len(gets) - len(refused) == 1 else spelled(len(gets) - len(refused)),
        can_default=any(get.copy.mode is not Mode.DEFAULT for get in refused),
        weakest=choice.weakest,
        # Asked only where it is shown: saving while typing shows nothing of it.
        kept=cast("KeptBack", SimpleLazyObject(lambda: kept_back(draft, recipients, now=now))),
        undo_seconds=accounts.preferences_of(draft.user).undo_seconds,
        offers=later.offers(now),
        now=now,
        files=tuple(_file(file) for file in files),
        offered=() if is_stored else tuple(_offered(part) for part in offered),
        files_size=size_in_words(total),
        files_bytes=total,
        files_limit=size_in_words(settings.MAX_MESSAGE_BYTES),
        max_bytes=settings.MAX_MESSAGE_BYTES,
        asked=asked,
    )


def _file(file: DraftAttachment) -> FileView:
    return FileView(key=str(file.uuid), name=file.name, size=size_in_words(file.size_bytes))


def _offered(part: PartInfo) -> FileView:
    return FileView(key=part.path, name=part.name, size=size_in_words(part.size_bytes))


def _title(draft: Draft) -> str:
    if draft.reply_to_id is not None:
        return "Reply"
    return "Forward" if draft.forward_of_id is not None else "New message"


def _lines(recipients: Recipients, outlook: Outlook, asked: Asked) -> tuple[Line, ...]:
    rows = {row.domain: row for row in outlook.rows}
    with_bars = len(recipients.entries) <= MOST_CHIPS_WITH_BARS
    return tuple(
        _line(
            name,
            [entry for entry in recipients.entries if entry.field == name],
            (*recipients.errors.get(name, ()), *asked.errors.get(name, ())),
            rows if with_bars else {},
            shows_copies=asked.shows_copies,
        )
        for name in FIELDS
    )


def _line(
    name: str,
    entries: list[Entry],
    errors: tuple[str, ...],
    rows: Mapping[str, LedgerRow],
    *,
    shows_copies: bool,
) -> Line:
    of_chips = {entry.error for entry in entries}
    return Line(
        name=name,
        label=LABELS[name],
        chips=tuple(_chip(entry, rows) for entry in entries),
        errors=tuple(dict.fromkeys(errors))[:MOST_ERRORS],
        general=tuple(error for error in dict.fromkeys(errors) if error not in of_chips),
        is_shown=name == "to" or shows_copies or bool(entries),
    )


def _chip(entry: Entry, rows: Mapping[str, LedgerRow]) -> Chip:
    address = entry.address
    if address is None:
        return Chip(field=entry.field, typed=entry.typed, name=entry.typed, error=entry.error)
    return Chip(
        field=entry.field,
        typed=entry.typed,
        name=address.name or address.shown,
        title=_chip_title(entry, address),
        row=rows.get(address.domain_ascii),
    )


def _chip_title(entry: Entry, address: Address) -> str:
    parts = [address.shown] if address.name else []
    if entry.is_repeated:
        parts.append("Named twice; one copy is sent.")
    return " · ".join(parts)


def _servers(outlook: Outlook, check_url: str) -> tuple[Server, ...]:
    weakest: dict[str, WireView] = {}
    for copy in outlook.copies:
        known = weakest.get(copy.domain)
        if known is None or _rank(copy.wire) < _rank(known):
            weakest[copy.domain] = copy.wire
    return tuple(
        Server(
            row=row,
            row_id=f"server-{row.domain}",
            wire=weakest[row.domain],
            is_open=not row.is_local
            and any(bar.shape in ("unknown", "checking") for bar in row.bars),
            check_url="" if row.is_local else check_url,
            domain_url=f"/security/{row.domain}/",
        )
        for row in outlook.rows
        if row.domain in weakest
    )


def _rank(wire: WireView) -> int:
    return _WIRES_WEAKEST_FIRST.index(wire.kind)


def _gets(recipients: Recipients, outlook: Outlook) -> tuple[Get, ...]:
    people = {person.spec: person for person in recipients.copies}
    return tuple(
        Get(
            copy=copy,
            shown=people[copy.address].shown,
            key=people[copy.address].key,
            can_check=copy.wire.kind == "unk",
        )
        for copy in outlook.copies
    )


def _modes(chosen: Mode, *, is_by_hand: bool) -> tuple[ModeOption, ...]:
    tag = "Your choice" if is_by_hand else "Chosen for you"
    return tuple(
        ModeOption(
            value=mode.value,
            name=MODE_NAMES[mode],
            note=note,
            is_on=mode is chosen,
            tag=tag if mode is chosen else "",
        )
        for mode, note in MODE_NOTES.items()
    )
