"""The sidebar and the tabs: from stored counters, in four cheap queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import reverse

from accounts import selectors as accounts
from accounts.dashboard.overview import counts_for_navigation
from delivery import selectors as delivery
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
    ("/lab/", "lab"),
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


NOBODY = NavAccount()


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """The sidebar and the tabs. False where nobody is logged in."""

    mailboxes: tuple[NavMailbox, ...] = ()
    account: NavAccount = NOBODY
    path: str = ""
    section: str = ""
    outbox_count: int = 0
    outbox_needs: int = 0
    domains_count: int = 0
    alerts_count: int = 0
    has_lab: bool = False

    def __bool__(self) -> bool:
        """Tell whether there is anything to show."""
        return bool(self.mailboxes)


NOWHERE = Navigation()


def navigation(user: User, *, path: str) -> Navigation:
    """Return the sidebar for somebody who looks at `path`."""
    boxes = Mailbox.objects.filter(user=user).order_by("position", "name")
    drafts = Draft.objects.filter(user=user).count()
    unfinished, needs = delivery.outbox_counts(user.pk)
    domains, alerts = counts_for_navigation(user.pk)
    return Navigation(
        mailboxes=tuple(
            _nav_mailbox(box, drafts=drafts, path=path)
            for box in boxes or services.mailboxes_for(user).values()
        ),
        account=_nav_account(user),
        path=path,
        section=_section(path),
        outbox_count=unfinished,
        outbox_needs=needs,
        domains_count=domains,
        alerts_count=alerts,
        has_lab=settings.DEMO,
    )


def _section(path: str) -> str:
    """Return the part of the sidebar that `path` belongs to; a page below /security/ is a domain."""
    found = next((name for start, name in _SECTIONS if path.startswith(start)), "")
    return "domains" if found == "security" and path != "/security/" else found


def _nav_mailbox(box: Mailbox, *, drafts: int, path: str) -> NavMailbox:
    url = reverse("webmail:mailbox", args=[box.slug])
    count = {Role.DRAFTS: drafts, Role.SENT: 0, Role.TRASH: 0, Role.ARCHIVE: 0}
    return NavMailbox(
        slug=box.slug,
        name=box.name,
        url=url,
        icon=_ICONS.get(Role(box.role), box.role),
        count=count.get(Role(box.role), box.unseen),
        is_current=path.startswith(url) or _is_writing(box, path),
    )


def _is_writing(box: Mailbox, path: str) -> bool:
    return box.role == Role.DRAFTS and path.startswith("/mail/compose/")


def _nav_account(user: User) -> NavAccount:
    address = accounts.primary_address(user) or user.username
    return NavAccount(
        name=user.display_name, address=address, initial=user.display_name[:1].upper()
    )
