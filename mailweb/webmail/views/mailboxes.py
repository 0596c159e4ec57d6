"""A mailbox: its list, the reader beside it, and what is done with several messages at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import push_url

from accounts import selectors as accounts
from mailweb.lib.htmx import render_page
from mailweb.webmail import access, notice_cards, selectors, services
from mailweb.webmail.list_forms import Change, ChangeForm
from mailweb.webmail.models import Mailbox, Message, Role
from mailweb.webmail.selectors import Place, Show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponse

    from accounts.models import User
    from mailweb.lib.http import UserRequest

_UNDO = "webmail.undo-move"
_UNDO_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """What an empty list says: what is true, and what will appear here."""

    icon: str
    title: str
    text: str = ""


_EMPTY: dict[str, Empty] = {
    Show.UNREAD: Empty(icon="check", title="Nothing unread", text="You have read everything here."),
    Show.FLAGGED: Empty(
        icon="star", title="Nothing starred", text="Star a message to find it here."
    ),
    Role.INBOX: Empty(
        icon="inbox", title="Nothing here yet", text="Mail to your addresses arrives here."
    ),
    Role.DRAFTS: Empty(
        icon="draft", title="No drafts", text="What you begin to write is kept here."
    ),
    Role.SENT: Empty(
        icon="sent",
        title="Nothing sent yet",
        text="Each message you send is kept here with its receipt.",
    ),
    Role.ARCHIVE: Empty(
        icon="archive", title="Nothing archived", text="Messages you are done with go here."
    ),
    Role.JUNK: Empty(icon="junk", title="No junk", text="What you mark as junk goes here."),
    Role.TRASH: Empty(
        icon="trash",
        title="The trash is empty",
        text="What you throw away stays here until you delete it for good.",
    ),
    Role.PLAIN: Empty(
        icon="folder",
        title="This mailbox is empty",
        text="Move messages here to keep them together.",
    ),
}


@login_required
@require_safe
def home(request: UserRequest) -> HttpResponse:
    """Go to the inbox; operators, who have no mail, to their own pages."""
    if request.user.is_staff and not accounts.addresses_of(request.user):
        return redirect("admin:index")
    return redirect("webmail:mailbox", slug=Role.INBOX)


@login_required
@require_safe
def mailbox(request: UserRequest, slug: str) -> HttpResponse:
    """Show a mailbox; with `?open=` also one of its messages."""
    box = access.mailbox_for(request.user, slug)
    is_reader = request.htmx.target == "reader"
    context = _reader(request, box)
    if not is_reader:
        context |= _list(request, box)
    response = render_page(
        request, "webmail/mailbox.html", context, partials=frozenset({"message-list", "reader"})
    )
    if is_reader:
        push_url(response, request.get_full_path())
    return response


def _list(request: UserRequest, box: Mailbox) -> dict[str, Any]:
    now = timezone.now()
    place = Place(before=request.GET.get("before", ""), after=request.GET.get("after", ""))
    show = _show(request)
    is_drafts = box.role == Role.DRAFTS
    back = _list_url(request, box)
    has_cards = place.is_top and show is Show.ALL
    cards = notice_cards.cards_in(box, user=request.user, now=now, back=back) if has_cards else ()
    if is_drafts:
        page = selectors.drafts_of(request.user, now=now, place=place)
    else:
        without = [card.key for card in cards if card.key]
        page = selectors.messages_in(box, now=now, show=show, place=place, without=without)
    return {
        "page": page,
        "cards": cards,
        "show": show,
        "is_drafts": is_drafts,
        "is_trash": box.role == Role.TRASH,
        "moves": _moves(box),
        "empty": _EMPTY[show] if show else _EMPTY[box.role],
        "list_query": _list_query(request),
    }


def _reader(request: UserRequest, box: Mailbox) -> dict[str, Any]:
    """Return what the reader shows, and mark the opened message as read."""
    context: dict[str, Any] = {
        "mailbox": box,
        "mailbox_icon": "draft" if box.role == Role.DRAFTS else box.role,
        "mailbox_url": reverse("webmail:mailbox", args=[box.slug]),
        "list_url": _list_url(request, box),
        "letter": None,
        "receipt": None,
        "open_key": "",
    }
    if key := request.GET.get("open"):
        message = access.message_for(request.user, _uuid(key))
        services.set_seen(user=request.user, uuids=[message.uuid], is_seen=True)
        box.refresh_from_db()
        context |= letter_context(request, message) | {"open_key": str(message.uuid)}
    return context


def letter_context(request: UserRequest, message: Message) -> dict[str, Any]:
    """Return what components/letter.html and its menu need."""
    letter = selectors.letter(
        message,
        now=timezone.now(),
        as_text=request.GET.get("view") == "text",
        allow_remote=request.GET.get("pictures") == "remote",
    )
    return {
        "letter": letter,
        "receipt": selectors.receipt_of(message),
        "boxes": selectors.mailboxes_to_move_to(message),
        "delivery": notice_cards.card_about(message, now=timezone.now(), back=request.path),
        "pictures_url": _with(request, pictures="remote"),
        "text_url": _with(request, view="text") if letter.shows_html else "",
        "html_url": _with(request, view="") if letter.has_html and not letter.shows_html else "",
    }


def _with(request: UserRequest, **changes: str) -> str:
    """Return the address of this page with other parameters."""
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = value
    return f"{request.path}?{query.urlencode()}"


def _show(request: UserRequest) -> Show:
    try:
        return Show(request.GET.get("show", ""))
    except ValueError:
        return Show.ALL


def _uuid(key: str) -> UUID:
    try:
        return UUID(key)
    except ValueError as error:
        raise Http404 from error


def _moves(box: Mailbox) -> list[tuple[str, str, str]]:
    """Return the moves offered for chosen messages: slug, icon, words."""
    offered = [
        (Role.ARCHIVE, "archive", "Archive"),
        (Role.JUNK, "junk", "Move to junk"),
        (Role.TRASH, "trash", "Move to trash"),
    ]
    if box.role in (Role.JUNK, Role.TRASH, Role.ARCHIVE):
        offered.insert(0, (Role.INBOX, "inbox", "Move to inbox"))
    return [(role.value, icon, text) for role, icon, text in offered if role != box.role]


def _list_query(request: UserRequest) -> str:
    """Return the parameters of this page of the list, without what is open beside it."""
    query = request.GET.copy()
    for name in ("open", "view", "pictures"):
        query.pop(name, None)
    return f"?{query.urlencode()}" if query else ""


def _list_url(request: UserRequest, box: Mailbox) -> str:
    return reverse("webmail:mailbox", args=[box.slug]) + _list_query(request)


@login_required
@require_POST
def change_messages(request: UserRequest, slug: str) -> HttpResponse:
    """Do one thing with all chosen messages of a list."""
    box = access.mailbox_for(request.user, slug)
    form = ChangeForm(request.POST, user=request.user)
    if not form.is_valid():
        messages.error(request, "Choose at least one message first.")
    elif to := form.cleaned_data["to"]:
        move(request, form.cleaned_data["message"], box, to)
    else:
        _change(request, Change(form.cleaned_data["change"]), form.cleaned_data["message"])
    return redirect(_list_url(request, box))


def _change(request: UserRequest, change: Change, keys: Sequence[UUID]) -> None:
    user: User = request.user
    if change in (Change.SEEN, Change.UNSEEN):
        services.set_seen(user=user, uuids=keys, is_seen=change is Change.SEEN)
    elif change in (Change.FLAG, Change.UNFLAG):
        services.set_flagged(user=user, uuids=keys, is_flagged=change is Change.FLAG)
    else:
        gone = services.delete_messages(user=user, uuids=keys)
        messages.success(request, f"{_messages(gone)} deleted for good.")


def move(request: UserRequest, keys: Sequence[UUID], source: Mailbox, to: Mailbox) -> None:
    """Move messages and say so, with a way back."""
    moved = services.move_messages(user=request.user, uuids=keys, to=to)
    if moved:
        token = signing.dumps([source.pk, [str(m.uuid) for m in moved]], salt=_UNDO, compress=True)
        messages.success(
            request,
            f"{_messages(len(moved))} moved to {to.name}.",
            extra_tags=reverse("webmail:undo-move", args=[token]),
        )


def _messages(number: int) -> str:
    return "One message" if number == 1 else f"{number} messages"


@login_required
@require_POST
def undo_move(request: UserRequest, token: str) -> HttpResponse:
    """Bring back what was moved a moment ago."""
    try:
        source, keys = signing.loads(token, salt=_UNDO, max_age=_UNDO_SECONDS)
    except signing.BadSignature as error:
        raise Http404 from error
    box = access.mailbox_with_id_for(request.user, source)
    services.move_messages(user=request.user, uuids=[UUID(key) for key in keys], to=box)
    return redirect("webmail:mailbox", slug=box.slug)
