"""One message: its page, its HTML in a frame of its own, its parts, its receipt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import content_disposition_header, url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from delivery import selectors as delivery
from mailweb.lib.htmx import render_page
from mailweb.webmail import access, notice_cards, receipts, selectors, services
from mailweb.webmail.answer_way import way_of_answer
from mailweb.webmail.list_forms import MoveForm
from mailweb.webmail.mime import parse, sanitize
from mailweb.webmail.models import Message
from mailweb.webmail.views.mailboxes import letter_context, move

if TYPE_CHECKING:
    from delivery.models import OutboundMessage
    from mailweb.lib.http import UserRequest

# Types that a browser may know as what they are; nothing among them can act.
_KNOWN_TYPES = re.compile(
    r"(?:image/(?:png|jpeg|gif|webp|avif|bmp|tiff)|audio/[\w.+-]+|video/[\w.+-]+|font/[\w.+-]+"
    r"|application/(?:pdf|zip|gzip|json|msword|rtf|vnd\.[\w.+-]+)|text/(?:plain|csv|calendar))"
)
_INERT = "sandbox; default-src 'none'"


@login_required
@require_safe
def message(request: UserRequest, key: UUID) -> HttpResponse:
    """Show a message on a page of its own, a sent one with its receipt."""
    found = access.message_for(request.user, key)
    if request.htmx.target == "receipt":
        return _receipt(request, found)
    services.set_seen(user=request.user, uuids=[key], is_seen=True)
    newer, older = selectors.neighbours(found)
    box_url = reverse("webmail:mailbox", args=[found.mailbox.slug])
    context = letter_context(request, found) | {
        "message": found,
        "mailbox": found.mailbox,
        "newer": newer,
        "older": older,
        "nav": SimpleLazyObject(lambda: selectors.navigation(request.user, path=box_url)),
    }
    return render_page(request, "webmail/message.html", context, partials=frozenset({"receipt"}))


def _receipt(request: UserRequest, message: Message) -> HttpResponse:
    """Render the receipt alone, for a page that heard of a change."""
    _outbound(message)
    context = {"message": message, "receipt": selectors.receipt_of(message)}
    return render_page(request, "webmail/message.html", context, partials=frozenset({"receipt"}))


@login_required
@require_safe
def notice_delivery(request: UserRequest, key: UUID) -> HttpResponse:
    """Render what became of the delivery that a notice tells of, as it stands now."""
    found = access.message_for(request.user, key)
    back = reverse("webmail:message", args=[key])
    card = notice_cards.card_about(found, now=timezone.now(), back=back)
    if card is None:
        raise Http404
    return render(request, "components/delivery_card.html", {"card": card, "notice": found})


@login_required
@require_safe
def reply_way(request: UserRequest, key: UUID) -> HttpResponse:
    """Say how an answer would travel; asked for once the message is shown."""
    found = access.message_for(request.user, key)
    context = {"message": found, "way": way_of_answer(found, now=timezone.now())}
    return render(request, "components/reply_way.html", context)


@login_required
@require_safe
@never_cache
@xframe_options_sameorigin
def message_html(request: UserRequest, key: UUID) -> HttpResponse:
    """Serve the cleaned HTML of a message for its sandboxed frame."""
    found = access.message_for(request.user, key)
    allow_remote = request.GET.get("pictures") == "remote"
    parsed = parse.parse(bytes(found.blob.data))
    cleaned = sanitize.clean(
        parsed.html, allow_remote=allow_remote, cid_urls=selectors.part_urls(found)
    )
    response = HttpResponse(sanitize.document(cleaned))
    parts_url = request.build_absolute_uri(reverse("webmail:part", args=[key, "x"]))[:-2]
    response["Content-Security-Policy"] = sanitize.policy(
        parts_url=parts_url, allow_remote=allow_remote
    )
    response["Referrer-Policy"] = "no-referrer"
    return response


@login_required
@require_safe
@never_cache
def part(request: UserRequest, key: UUID, part: str) -> HttpResponse:
    """Serve one part of a message as a file, never as a page."""
    found = access.message_for(request.user, key)
    content = parse.part(bytes(found.blob.data), part)
    if content is None:
        raise Http404
    kind = content.info.content_type
    known = kind if _KNOWN_TYPES.fullmatch(kind) else "application/octet-stream"
    return _file(content.data, known, content.info.name)


@login_required
@require_safe
@never_cache
def message_source(request: UserRequest, key: UUID) -> HttpResponse:
    """Show the message as it came, byte for byte; `?save=1` to keep it as a file."""
    found = access.message_for(request.user, key)
    data = bytes(found.blob.data)
    if request.GET.get("save"):
        return _file(data, "message/rfc822", f"{_file_name(found)}.eml")
    response = HttpResponse(data, content_type="text/plain; charset=utf-8")
    response["Content-Security-Policy"] = _INERT
    return response


def _file(data: bytes, content_type: str, name: str) -> HttpResponse:
    response = HttpResponse(data, content_type=content_type)
    disposition = content_disposition_header(as_attachment=True, filename=name)
    response["Content-Disposition"] = disposition or "attachment"
    response["Content-Security-Policy"] = _INERT
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _file_name(message: Message) -> str:
    return re.sub(r"[^\w .,-]+", "_", message.subject).strip(" .")[:80] or "message"


@login_required
@require_POST
def move_message(request: UserRequest, key: UUID) -> HttpResponse:
    """Move a message to another mailbox, and go back to the one it was in."""
    found = access.message_for(request.user, key)
    form = MoveForm(request.POST, user=request.user)
    if form.is_valid():
        move(request, [key], found.mailbox, form.cleaned_data["to"])
    return redirect("webmail:mailbox", slug=found.mailbox.slug)


@login_required
@require_POST
def delete_message(request: UserRequest, key: UUID) -> HttpResponse:
    """Delete a message for good; only from the trash."""
    found = access.message_for(request.user, key)
    services.delete_messages(user=request.user, uuids=[key])
    return redirect("webmail:mailbox", slug=found.mailbox.slug)


@login_required
@require_POST
def flag_message(request: UserRequest, key: UUID) -> HttpResponse:
    """Put the star on a message (`on=1`), or take it off (`on=0`)."""
    found = access.message_for(request.user, key)
    services.set_flagged(
        user=request.user, uuids=[key], is_flagged=request.POST.get("on", "1") == "1"
    )
    return redirect(_next(request) or reverse("webmail:message", args=[found.uuid]))


@login_required
@require_POST
def mark_seen(request: UserRequest, key: UUID) -> HttpResponse:
    """Mark a message as read."""
    return _mark(request, key, is_seen=True)


@login_required
@require_POST
def mark_unseen(request: UserRequest, key: UUID) -> HttpResponse:
    """Mark a message as unread, and leave it so: go back to its mailbox."""
    return _mark(request, key, is_seen=False)


def _mark(request: UserRequest, key: UUID, *, is_seen: bool) -> HttpResponse:
    found = access.message_for(request.user, key)
    services.set_seen(user=request.user, uuids=[key], is_seen=is_seen)
    return redirect(_next(request) or reverse("webmail:mailbox", args=[found.mailbox.slug]))


def _next(request: UserRequest) -> str:
    """Return where the person came from, if that is one of our own pages."""
    wanted = request.GET.get("next", "")
    is_own = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
    return wanted if is_own else ""


@login_required
@require_safe
@never_cache
def receipt_json(request: UserRequest, key: UUID) -> HttpResponse:
    """Give the receipt of a sent message as signed JSON."""
    outbound = _outbound(access.message_for(request.user, key))
    document = receipts.signed_document(delivery.receipt_document(outbound))
    response = JsonResponse(document, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="receipt-{outbound.uuid}.json"'
    return response


@login_required
@require_safe
@never_cache
def receipt_text(request: UserRequest, key: UUID) -> HttpResponse:
    """Give the receipt of a sent message as signed text."""
    outbound = _outbound(access.message_for(request.user, key))
    text = receipts.signed_text(delivery.receipt_document(outbound), delivery.receipt(outbound))
    return _file(text.encode(), "text/plain; charset=utf-8", f"receipt-{outbound.uuid}.txt")


def _outbound(message: Message) -> OutboundMessage:
    if message.outbound is None:
        raise Http404
    return message.outbound


@login_required
@require_safe
def receipt_key(request: UserRequest) -> HttpResponse:
    """Give the public key with which receipts can be checked."""
    return _file(receipts.public_key(), "application/x-pem-file", "mailweb-receipts.pem")
