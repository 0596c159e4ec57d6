"""What the outbox shows, ready to be placed: each message with its state and its buttons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from django.urls import reverse

from delivery.policy.choice import MODE_NAMES
from delivery.policy.ways_out import Step
from mailweb.webmail import later, todays_rules
from mailweb.webmail.compose_page import MODE_NOTES
from mailweb.webmail.models import Draft

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from accounts.models import User
    from delivery.models import Recipient
    from delivery.policy.ways_out import WayOut
    from delivery.selectors import Outbox, OutboxCopy, OutboxItem

ICONS: Final = {
    "failed": "fail",
    "held": "pause",
    "waiting": "retry",
    "scheduled": "clock",
    "queued": "sent",
    "sending": "sent",
    "delivered": "check",
    "cancelled": "fail",
}
_WAYS: Final = {
    Step.SEND: "webmail:send-anyway",
    Step.WAIT: "webmail:let-wait",
    Step.AGAIN: "webmail:keep-trying",
    Step.OTHER: "webmail:other-address",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A way out, and where it is posted; `is_link` is a page to go to."""

    title: str
    text: str
    url: str
    is_link: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button of one message. `kind` is how it looks: primary, plain, or text."""

    words: str
    url: str
    kind: str = ""
    is_link: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeButton:
    """A TLS mode that can be chosen for what has not left."""

    name: str
    note: str
    url: str
    is_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One copy with everything that can be done about it."""

    copy: OutboxCopy
    icon: str
    tiles: tuple[Tile, ...]
    modes: tuple[ModeButton, ...]
    cancel_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One message."""

    item: OutboxItem
    icon: str
    url: str
    actions: tuple[Action, ...]
    tiles: tuple[Tile, ...]
    parts: tuple[Part, ...]
    modes: tuple[ModeButton, ...]
    offers: tuple[later.Offer, ...]
    undo_of: int

    @property
    def is_single(self) -> bool:
        """Whether there is only one copy, whose state is the message's."""
        return len(self.parts) == 1 and not self.item.hidden_copies


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxPage:
    """The two lists, what is said above them, and when they change by themselves."""

    needs: tuple[Card, ...]
    moving: tuple[Card, ...]
    summary: str
    notice: str
    soonest: int


def outbox_page(box: Outbox, *, user: User, now: datetime, notice: str = "") -> OutboxPage:
    """Return the page of an outbox."""
    left = [item.seconds_to_undo for item in box.moving if item.seconds_to_undo is not None]
    cards = cards_of([*box.needs, *box.moving], user=user, now=now)
    return OutboxPage(
        needs=cards[: len(box.needs)],
        moving=cards[len(box.needs) :],
        summary=_summary(len(box.needs), len(box.moving)),
        notice=notice,
        soonest=min(left) + 1 if left else 0,
    )


def cards_of(
    items: Sequence[OutboxItem], *, user: User, now: datetime, back: str = ""
) -> tuple[Card, ...]:
    """Return messages with their buttons; three queries more, however many there are.

    `back` is the page that a button leads to; empty for the outbox.
    """
    recipients = [copy.recipient for item in items for copy in item.copies]
    changed = todays_rules.differences(user, recipients)
    drafts = set(
        Draft.with_sent.filter(
            user=user, outbound__in=[item.message.pk for item in items if item.can_edit]
        ).values_list("outbound_id", flat=True)
    )
    place = _Place(back=back, changed=changed, drafts=drafts, now=now)
    return tuple(place.card(item) for item in items)


def _summary(needs: int, moving: int) -> str:
    total = needs + moving
    if not total:
        return ""
    words = "1 message" if total == 1 else f"{total} messages"
    return f"{words}, {needs} {'needs' if needs == 1 else 'need'} you" if needs else words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where cards are shown, and what was loaded for all of them."""

    back: str
    changed: dict[int, str]
    drafts: set[int]
    now: datetime

    def card(self, item: OutboxItem) -> Card:
        message = item.message
        undo_until, queued_at = message.undo_until, message.queued_at
        window = round((undo_until - queued_at).total_seconds()) if undo_until else 0
        parts = tuple(self._part(item, copy) for copy in item.copies)
        leading = next((part for part in parts if part.copy.recipient.state == item.state), None)
        return Card(
            item=item,
            icon=ICONS[item.state],
            url=reverse("webmail:outbox-message", args=[message.uuid]),
            actions=self._actions(item),
            tiles=leading.tiles if leading else (),
            parts=parts,
            modes=self._modes(item, None) if item.can_change_mode else (),
            offers=later.offers(self.now) if item.can_reschedule else (),
            undo_of=window,
        )

    def _part(self, item: OutboxItem, copy: OutboxCopy) -> Part:
        row = copy.recipient
        tiles = [self._tile(item, row, way) for way in copy.choices]
        if row.pk in self.changed:
            tiles.append(
                Tile(
                    title="Go by today’s rules",
                    text=self.changed[row.pk],
                    url=self._to("today", item, row.pk),
                )
            )
        return Part(
            copy=copy,
            icon=ICONS[row.state],
            tiles=tuple(tiles),
            modes=self._modes(item, row) if copy.can_change_mode else (),
            cancel_url=self._to("cancel-copy", item, row.pk) if copy.can_cancel else "",
        )

    def _tile(self, item: OutboxItem, row: Recipient, way: WayOut) -> Tile:
        if way.step is Step.PLEDGES:
            url = reverse("accounts:settings-pledges")
            return Tile(title=way.title, text=way.text, url=url, is_link=True)
        if way.step in _WAYS:
            url = self._back(reverse(_WAYS[way.step], args=[item.message.uuid, row.pk]))
        else:
            url = self._to("change-mode", item, row.pk, way.step.value)
        return Tile(title=way.title, text=way.text, url=url)

    def _modes(self, item: OutboxItem, row: Recipient | None) -> tuple[ModeButton, ...]:
        """Return the modes for one copy, or for all that have not left."""
        if row is None:
            on = {copy.recipient.mode for copy in item.copies if copy.can_change_mode}
        else:
            on = {row.mode}
        return tuple(
            ModeButton(
                name=MODE_NAMES[mode],
                note=note,
                url=self._to("change-modes", item, mode.value)
                if row is None
                else self._to("change-mode", item, row.pk, mode.value),
                is_on=on == {mode.value},
            )
            for mode, note in MODE_NOTES.items()
        )

    def _actions(self, item: OutboxItem) -> tuple[Action, ...]:
        actions = []
        if item.can_undo:
            actions.append(Action(words="Undo", url=self._to("undo-send", item), kind="primary"))
        if item.can_send_now:
            actions.append(Action(words="Send now", url=self._to("send-now", item)))
        if item.can_retry:
            actions.append(Action(words="Try now", url=self._to("retry-now", item)))
        if item.can_reschedule and not item.can_undo:
            page = reverse("webmail:outbox-message", args=[item.message.uuid])
            actions.append(Action(words="Change time", url=f"{page}#time", is_link=True))
        if item.can_edit and not item.can_undo and item.message.pk in self.drafts:
            actions.append(Action(words="Edit", url=self._to("undo-send", item), kind="text"))
        if item.can_cancel and not item.can_undo:
            actions.append(Action(words="Cancel", url=self._to("cancel-send", item), kind="text"))
        if item.state == "failed":
            actions.append(Action(words="Put away", url=self._to("put-away", item), kind="text"))
        return tuple(actions)

    def _to(self, name: str, item: OutboxItem, *args: object) -> str:
        return self._back(reverse(f"webmail:{name}", args=[item.message.uuid, *args]))

    def _back(self, url: str) -> str:
        return f"{url}?next={quote(self.back)}" if self.back else url
