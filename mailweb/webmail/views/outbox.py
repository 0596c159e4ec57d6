"""The outbox: what has not left yet, and everything its sender can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from delivery import releasing, selectors, services
from delivery.policy.modes import Mode
from delivery.policy.retry import FURTHEST_RELEASE
from mailweb.lib.htmx import render_page
from mailweb.webmail import (
    access,
    answering,
    later,
    notice_cards,
    outbox_page,
    sending,
    todays_rules,
)
from mailweb.webmail.models import Message

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse

    from delivery.models import OutboundMessage
    from mailweb.lib.http import UserRequest

TOO_LATE: Final = "Too late to undo: a copy has begun to leave."
NO_DRAFT: Final = "This message was not written here, so it can be cancelled but not edited."
GONE: Final = "That copy has moved on meanwhile. Here is how it stands now."
NO_COPY: Final = "There is no copy of this message in Sent to begin with."


@login_required
@require_safe
def outbox(request: UserRequest) -> HttpResponse:
    """Every message that is not finished."""
    return _show(request)


@login_required
@require_safe
def outbox_message(request: UserRequest, key: UUID) -> HttpResponse:
    """One message with all its copies, and everything that can be done about each."""
    return _show_message(request, access.outbound_for(request.user, key))


@login_required
@require_POST
def undo_send(request: UserRequest, key: UUID) -> HttpResponse:
    """Take a message back, as the draft it was."""
    message = access.outbound_for(request.user, key)
    if not sending.has_draft(message, user=request.user):
        return _after(request, NO_DRAFT)
    draft = sending.undo(message, user=request.user, now=timezone.localtime())
    if draft is None:
        return _after(request, TOO_LATE)
    messages.success(request, "Taken back. Nothing was sent.")
    return _go(request, reverse("webmail:draft", args=[draft.uuid]))


@login_required
@require_POST
def send_now(request: UserRequest, key: UUID) -> HttpResponse:
    """Let a scheduled message leave."""
    message = access.outbound_for(request.user, key)
    return _done(request, message, services.send_now(message=message, now=timezone.localtime()))


@login_required
@require_POST
def retry_now(request: UserRequest, key: UUID) -> HttpResponse:
    """Try a waiting message again."""
    message = access.outbound_for(request.user, key)
    return _done(request, message, services.retry_now(message=message, now=timezone.localtime()))


@login_required
@require_POST
def reschedule(request: UserRequest, key: UUID) -> HttpResponse:
    """Give a scheduled message another time."""
    message, now = access.outbound_for(request.user, key), timezone.localtime()
    try:
        at = later.time_for(request.POST.get("later", ""), request.POST.get("send_at", ""), now)
    except later.ImpossibleTimeError as refusal:
        return _show_message(request, message, wrong_time=refusal.sentence, status=422)
    moved = releasing.reschedule(message=message, at=at, now=now)
    if moved:
        messages.success(request, f"It leaves {later.in_words(at, now)}.")
    return _done(request, message, moved)


@login_required
@require_POST
def change_modes(request: UserRequest, key: UUID, mode: str) -> HttpResponse:
    """Send every copy that has not left with another mode."""
    message = access.outbound_for(request.user, key)
    done = sending.change_mode(message, mode=_mode(mode), now=timezone.localtime())
    return _done(request, message, done)


@login_required
@require_POST
def cancel_send(request: UserRequest, key: UUID) -> HttpResponse:
    """Stop every copy that is not being sent right now."""
    message = access.outbound_for(request.user, key)
    return _done(request, message, services.cancel(message=message, now=timezone.localtime()))


@login_required
@require_POST
def put_away(request: UserRequest, key: UUID) -> HttpResponse:
    """Leave what failed as it is; it needs no decision any more."""
    message = access.outbound_for(request.user, key)
    services.dismiss(message=message)
    return _done(request, message, 1)


@login_required
@require_POST
def cancel_copy(request: UserRequest, key: UUID, recipient: int) -> HttpResponse:
    """Stop one copy."""
    copy = access.copy_for(request.user, key, recipient)
    done = services.cancel_copies(
        message=copy.message, copies=Q(pk=copy.pk), now=timezone.localtime()
    )
    return _done(request, copy.message, done)


@login_required
@require_POST
def keep_trying(request: UserRequest, key: UUID, recipient: int) -> HttpResponse:
    """Queue a failed copy again, as it was."""
    copy = access.copy_for(request.user, key, recipient)
    done = services.keep_trying(recipient=copy, now=timezone.localtime())
    return _done(request, copy.message, done)


@login_required
@require_POST
def send_anyway(request: UserRequest, key: UUID, recipient: int) -> HttpResponse:
    """Let a copy go that would travel worse than promised."""
    copy = access.copy_for(request.user, key, recipient)
    done = releasing.send_all_the_same(
        message=copy.message, copies=Q(pk=copy.pk), now=timezone.localtime()
    )
    return _done(request, copy.message, done)


@login_required
@require_POST
def let_wait(request: UserRequest, key: UUID, recipient: int) -> HttpResponse:
    """Let such a copy wait until it travels as promised."""
    copy = access.copy_for(request.user, key, recipient)
    done = releasing.let_wait(message=copy.message, copies=Q(pk=copy.pk), now=timezone.localtime())
    return _done(request, copy.message, done)


@login_required
@require_POST
def today(request: UserRequest, key: UUID, recipient: int) -> HttpResponse:
    """Have a copy go by the rules and pledges of today."""
    copy = access.copy_for(request.user, key, recipient)
    done = todays_rules.apply(copy, user=request.user, now=timezone.localtime())
    return _done(request, copy.message, done)


@login_required
@require_POST
def change_mode(request: UserRequest, key: UUID, recipient: int, mode: str) -> HttpResponse:
    """Send one copy with another mode; one that failed is queued again."""
    copy = access.copy_for(request.user, key, recipient)
    done = sending.change_mode(copy.message, mode=_mode(mode), only=copy, now=timezone.localtime())
    return _done(request, copy.message, done)


@login_required
@require_POST
def other_address(request: UserRequest, key: UUID, recipient: int) -> HttpResponse:
    """Open the message with the recipient empty, to send it to another address."""
    copy = access.copy_for(request.user, key, recipient)
    sent = copy.message.sent_copies.filter(user=request.user).select_related("blob", "user").first()
    if sent is None:
        return _after(request, NO_COPY)
    draft = answering.copy_to_somebody_else(sent, now=timezone.localtime())
    return _go(request, reverse("webmail:draft", args=[draft.uuid]))


def _mode(name: str) -> Mode:
    try:
        return Mode(name)
    except ValueError:
        raise Http404 from None


def _done(request: UserRequest, message: OutboundMessage, changed: int) -> HttpResponse:
    """Take the notices about a message as answered, or say that it was too late."""
    if changed:
        notice_cards.answered(message, user=request.user)
    return _after(request, "" if changed else GONE)


def _after(request: UserRequest, notice: str = "") -> HttpResponse:
    """Show the list again, or the page it was asked from; a notice stands above either."""
    if request.htmx:
        return _show(request, notice)
    if notice:
        messages.info(request, notice)
    wanted = request.GET.get("next", "")
    is_own = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
    return redirect(wanted if is_own else "webmail:outbox")


def _show(request: UserRequest, notice: str = "") -> HttpResponse:
    now = timezone.localtime()
    box = selectors.outbox(owner_id=request.user.pk, now=now)
    page = outbox_page.outbox_page(box, user=request.user, now=now, notice=notice)
    return render_page(
        request, "webmail/outbox.html", {"page": page}, partials=frozenset({"outbox-list"})
    )


def _show_message(
    request: UserRequest, message: OutboundMessage, *, wrong_time: str = "", status: int = 200
) -> HttpResponse:
    now, user = timezone.localtime(), request.user
    items = selectors.outbox_items(owner_id=user.pk, message_ids=[message.pk], now=now)
    here = reverse("webmail:outbox-message", args=[message.uuid])
    cards = outbox_page.cards_of([*items.values()], user=user, now=now, back=here)
    context = {
        "card": cards[0],
        "item": cards[0].item,
        "sent": Message.objects.filter(user=user, outbound=message).first(),
        "here": here,
        "now": now,
        "latest": now + FURTHEST_RELEASE,
        "typed": request.POST.get("send_at", ""),
        "wrong_time": wrong_time,
    }
    return render_page(
        request,
        "webmail/outbox_message.html",
        context,
        partials=frozenset({"outbox-copies"}),
        status=status,
    )


def _go(request: UserRequest, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
