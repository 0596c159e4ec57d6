"""What the pages of the webmail show: lists, one message, the sidebar. Scoped by owner.

Rule: a list costs the same few queries whether the mailbox holds ten messages or a million.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Q
from django.urls import reverse

from accounts import selectors as accounts
from delivery.models import OPEN_STATES, OutboundMessage, State
from mailweb.webmail import services
from mailweb.webmail.models import Draft, Mailbox, Role

if TYPE_CHECKING:
    from accounts.models import User

_ICONS = {Role.DRAFTS: "draft", Role.PLAIN: "archive"}
_SECTIONS = (
    ("/mail/outbox/", "outbox"),
    ("/security/", "security"),
    ("/settings/pledges/", "pledges"),
    ("/settings/", "settings"),
    ("/mail/", "mail"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NavMailbox:
    """One mailbox in the sidebar."""

    slug: str
    name: str
    url: str
    icon: str
    count: int
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NavAccount:
    """Whose pages these are."""

    name: str = ""
    address: str = ""
    initial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """The sidebar and the tabs. False where nobody is logged in."""

    mailboxes: tuple[NavMailbox, ...] = ()
    account: NavAccount = NavAccount()
    section: str = ""
    outbox_count: int = 0
    outbox_needs: int = 0
    domains_count: int = 0
    alerts_count: int = 0

    def __bool__(self) -> bool:
        """Tell whether there is anything to show."""
        return bool(self.mailboxes)


NOWHERE = Navigation()


def navigation(user: User, *, path: str) -> Navigation:
    """Return the sidebar for somebody who looks at `path`."""
    boxes = Mailbox.objects.filter(user=user).order_by("position", "name")
    drafts = Draft.objects.filter(user=user).count()
    opened = outbox_counts(user)
    return Navigation(
        mailboxes=tuple(
            _nav_mailbox(box, drafts=drafts, path=path)
            for box in boxes or services.mailboxes_for(user).values()
        ),
        account=_nav_account(user),
        section=next((name for start, name in _SECTIONS if path.startswith(start)), ""),
        outbox_count=opened.total,
        outbox_needs=opened.needs,
    )


def _nav_mailbox(box: Mailbox, *, drafts: int, path: str) -> NavMailbox:
    url = reverse("webmail:mailbox", args=[box.slug])
    count = {Role.DRAFTS: drafts, Role.SENT: 0, Role.TRASH: 0, Role.ARCHIVE: 0}
    return NavMailbox(
        slug=box.slug,
        name=box.name,
        url=url,
        icon=_ICONS.get(Role(box.role), box.role),
        count=count.get(Role(box.role), box.unseen),
        is_current=path.startswith(url),
    )


def _nav_account(user: User) -> NavAccount:
    address = accounts.primary_address(user) or user.username
    return NavAccount(
        name=user.display_name, address=address, initial=user.display_name[:1].upper()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCounts:
    """How many messages are not finished, and how many of them wait for their sender."""

    total: int
    needs: int


def outbox_counts(user: User) -> OutboxCounts:
    """Count the user's messages of which a copy is still open."""
    found = OutboundMessage.objects.filter(owner=user).aggregate(
        total=Count("id", distinct=True, filter=Q(recipients__state__in=OPEN_STATES)),
        needs=Count("id", distinct=True, filter=Q(recipients__state=State.HELD)),
    )
    return OutboxCounts(total=found["total"], needs=found["needs"])
