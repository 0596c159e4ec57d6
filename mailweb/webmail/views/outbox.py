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
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from delivery import releasing, selectors, services
from delivery.policy.modes import Mode
from mailweb.lib.htmx import render_page
from mailweb.webmail import access, answering, outbox_page, sending

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse

    from mailweb.lib.http import UserRequest

TOO_LATE: Final = "Too late to undo: a copy has begun to leave."
GONE: Final = "That copy has moved on meanwhile. Here is how it stands now."
NO_COPY: Final = "There is no copy of this message in Sent to begin with."
MODES: Final = {"default": Mode.DEFAULT, "optional": Mode.OPTIONAL}


@login_required
@require_safe
def outbox(request: UserRequest) -> HttpResponse:
    """Every message that is not finished."""
    return _show(request)


@login_required
@require_POST
def undo_send(request: UserRequest, key: UUID) -> HttpResponse:
    """Take a message back, as the draft it was."""
    message = access.outbound_for(request.user, key)
    draft = sending.undo(message, user=request.user, now=timezone.localtime())
    if draft is None:
        return _after(request, TOO_LATE)
    messages.success(request, "Taken back. Nothing was sent.")
    return _go(request, reverse("webmail:draft", args=[draft.uuid]))


@login_required
@require_POST
def send_now(request: UserRequest, key: UUID) -> HttpResponse:
    """Let a scheduled or held message leave."""
    message = access.outbound_for(request.user, key)
    now = timezone.localtime()
    moved = releasing.send_all_the_same(message=message, now=now)
    moved += services.send_now(message=message, now=now)
    return _after(request, "" if moved else GONE)


@login_required
@require_POST
def retry_now(request: UserRequest, key: UUID) -> HttpResponse:
    """Try a waiting message again."""
    message = access.outbound_for(request.user, key)
    return _after(
        request, "" if services.retry_now(message=message, now=timezone.localtime()) else GONE
    )


@login_required
@require_POST
def cancel_send(request: UserRequest, key: UUID) -> HttpResponse:
    """Stop every copy that is not being sent right now."""
    message = access.outbound_for(request.user, key)
    return _after(
        request, "" if services.cancel(message=message, now=timezone.localtime()) else GONE
    )


@login_required
@require_POST
def put_away(request: UserRequest, key: UUID) -> HttpResponse:
    """Leave what failed as it is; it needs no decision any more."""
    services.dismiss(message=access.outbound_for(request.user, key))
    return _after(request)


@login_required
@require_POST
def keep_trying(request: UserRequest, key: UUID, recipient: int) -> HttpResponse:
    """Queue a failed copy again, as it was."""
    copy = access.copy_for(request.user, key, recipient)
    done = services.keep_trying(recipient=copy, now=timezone.localtime())
    return _after(request, "" if done else GONE)


@login_required
@require_POST
def change_mode(request: UserRequest, key: UUID, recipient: int, mode: str) -> HttpResponse:
    """Queue a failed copy again with another mode, for this recipient only."""
    copy = access.copy_for(request.user, key, recipient)
    if mode not in MODES:
        raise Http404
    done = releasing.change_mode(
        message=copy.message, mode=MODES[mode], copies=Q(pk=copy.pk), now=timezone.localtime()
    )
    return _after(request, "" if done else GONE)


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


def _after(request: UserRequest, notice: str = "") -> HttpResponse:
    """Show the list again; a notice stands in it, or above the next page."""
    if request.htmx:
        return _show(request, notice)
    if notice:
        messages.info(request, notice)
    return redirect("webmail:outbox")


def _show(request: UserRequest, notice: str = "") -> HttpResponse:
    now = timezone.localtime()
    box = selectors.outbox(owner_id=request.user.pk, now=now)
    return render_page(
        request,
        "webmail/outbox.html",
        {"page": outbox_page.outbox_page(box, notice=notice)},
        partials=frozenset({"outbox-list"}),
    )


def _go(request: UserRequest, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
