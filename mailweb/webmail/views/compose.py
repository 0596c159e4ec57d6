"""Compose: the page of a draft, and everything its form can post.

Every button of the page posts the whole form, so nothing typed is lost, with or without scripts.
A browser gets a page or a redirect; a script gets the parts of the page that may have changed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from delivery import services
from delivery.services import RefusedMessageError
from mailweb.lib import addresses
from mailweb.lib.errors import UserError
from mailweb.webmail import access, answering, composing, later, outlook, sending, suggestions
from mailweb.webmail.compose_page import Asked, compose_page
from mailweb.webmail.forms import DraftForm
from mailweb.webmail.mime import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from mailweb.lib.http import UserRequest
    from mailweb.webmail.mime.parse import PartInfo
    from mailweb.webmail.models import Draft

TEMPLATE: Final = "webmail/compose.html"
SAVED: Final = ("save-state",)
FILES: Final = ("save-state", "compose-files", "compose-notes")
KNOWN: Final = ("compose-entries", "ledger", "compose-rail", "send-line")
PARTS: Final = (*FILES, *KNOWN)


def saves_draft(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Make a POST view that first saves what was typed; it gets the draft and the form.

    A draft that was changed elsewhere is shown as typed, unsaved, with the question what to do.
    """

    @login_required
    @require_POST
    @wraps(view)
    def saved_first(request: UserRequest, key: UUID, **kwargs: object) -> HttpResponse:
        found = access.draft_or_new(request.user, key)
        form = DraftForm(request.POST)
        form.full_clean()
        try:
            _save(request, found, form)
            return view(request, found, form, **kwargs)
        except composing.DraftChangedError as refusal:
            composing.as_written(found, form.written)
            return _answer(request, found, SAVED, Asked(changed=refusal.sentence), status=409)
        except composing.DraftSentError as refusal:
            messages.info(request, refusal.sentence)
            return _leave(request, reverse("webmail:outbox"))

    return saved_first


@login_required
@require_GET
def compose(request: UserRequest) -> HttpResponse:
    """A new message; nothing is stored before something is typed."""
    typed = addresses.split(", ".join(request.GET.getlist("to")))
    draft = composing.new_draft(request.user, to=typed[:100])
    draft.uuid = uuid4()
    return _page(request, draft)


@login_required
@require_GET
def reply(request: UserRequest, key: UUID) -> HttpResponse:
    """An answer to a message, to everybody with `?all=1`."""
    message = access.message_for(request.user, key)
    return _page(request, answering.reply_draft(message, everyone=bool(request.GET.get("all"))))


@login_required
@require_GET
def forward(request: UserRequest, key: UUID) -> HttpResponse:
    """A message to be passed on."""
    message = access.message_for(request.user, key)
    return _page(request, answering.forward_draft(message))


def draft(request: UserRequest, key: UUID) -> HttpResponse:
    """A stored draft; posted to, it is saved."""
    return draft_save(request, key) if request.method == "POST" else draft_page(request, key)


@login_required
@require_safe
def draft_page(request: UserRequest, key: UUID) -> HttpResponse:
    """A stored draft."""
    return _page(request, access.draft_for(request.user, key))


@saves_draft
def draft_save(request: UserRequest, found: Draft, form: DraftForm) -> HttpResponse:
    """Save what was typed. The first save also copies the files a forward takes along."""
    return _answer(request, found, FILES if found.version == 1 else SAVED)


def draft_outlook(request: UserRequest, key: UUID) -> HttpResponse:
    """What would happen on Send; posted to, recipients and modes are saved and looked up first."""
    if request.method != "POST":
        return draft_foreseen(request, key)
    return draft_look(request, key) if "look" in request.POST else draft_foresee(request, key)


@login_required
@require_safe
def draft_foreseen(request: UserRequest, key: UUID) -> HttpResponse:
    """What is known now about a draft; nothing if it is not stored yet, or has been sent since."""
    found = access.draft_or_new(request.user, key)
    if found._state.adding or found.outbound_id is not None:
        return HttpResponse(status=204)
    return _answer(request, found, KNOWN)


@login_required
@require_POST
def draft_look(request: UserRequest, key: UUID) -> HttpResponse:
    """Look up and show what a draft that was only opened would do, without storing it."""
    found = access.draft_or_new(request.user, key)
    form = DraftForm(request.POST)
    form.full_clean()
    if found._state.adding:
        _tie(request, found, form)
    composing.as_written(found, form.written)
    outlook.look_up(found, now=timezone.localtime())
    return _answer(request, found, KNOWN)


@saves_draft
def draft_foresee(request: UserRequest, found: Draft, form: DraftForm) -> HttpResponse:
    """Choose modes for single copies, look up what is not known, and show what is."""
    for copy, mode in form.copy_modes.items():
        composing.choose_copy_mode(found, key=copy, mode=mode)
    if "relax" in request.POST:
        outlook.relax_refused(found, now=timezone.localtime())
    outlook.look_up(found, now=timezone.localtime())
    return _answer(request, found, PARTS, Asked(shows_copies="more" in request.POST))


@saves_draft
def draft_send(request: UserRequest, found: Draft, form: DraftForm) -> HttpResponse:
    """Send, or say what has to be put right or decided first."""
    now = timezone.localtime()
    refused = _attach(request, found)
    if refused:
        return _answer(request, found, PARTS, Asked(refused_files=refused), status=422)
    try:
        said = form.cleaned_data
        at = later.chosen(said["later"], said["send_at"], now)
        left = outlook.split_off_impossible(found, now=now) if "possible" in request.POST else ()
        message = sending.send(found, now=now, answers=_answers(request), release_at=at)
    except (*sending.REFUSALS, later.ImpossibleTimeError, RefusedMessageError) as refusal:
        return _answer(request, found, PARTS, _asked(refusal), status=422)
    has_undo = at is not None or message.undo_until is not None
    undo = reverse("webmail:undo-send", args=[message.uuid]) if has_undo else ""
    sentence = sending.sent_sentence(message, now=now, release_at=at, left=left)
    messages.success(request, sentence, extra_tags=undo)
    return _leave(request, _way_back(found))


@login_required
@require_POST
def draft_discard(request: UserRequest, key: UUID) -> HttpResponse:
    """Delete a draft; one that was never stored is simply left."""
    found = access.draft_or_new(request.user, key)
    if found.outbound_id is None:
        composing.discard(found)
    messages.info(request, "The draft is discarded.")
    return _leave(request, reverse("webmail:mailbox", args=["drafts"]))


@saves_draft
def draft_attach(request: UserRequest, found: Draft, form: DraftForm) -> HttpResponse:
    """Add files; what does not fit is named, and the rest is kept."""
    refused = _attach(request, found)
    asked = Asked(refused_files=refused)
    return _answer(request, found, FILES, asked, status=422 if refused else 200)


@saves_draft
def draft_detach(
    request: UserRequest, found: Draft, form: DraftForm, *, file: UUID
) -> HttpResponse:
    """Take a file out of a draft."""
    composing.detach(access.draft_file_for(request.user, found.uuid, file))
    return _answer(request, found, FILES)


@saves_draft
def draft_check(request: UserRequest, found: Draft, form: DraftForm) -> HttpResponse:
    """Check now: ask a recipient's servers, without sending anything."""
    try:
        wanted = addresses.domain_to_ascii(request.POST.get("domain", ""))
        services.request_probe(owner=request.user, domain=wanted, now=timezone.localtime())
    except UserError as refusal:
        return _answer(request, found, PARTS, Asked(cannot=refusal.sentence), status=422)
    return _answer(request, found, PARTS)


@login_required
@require_GET
def suggest(request: UserRequest) -> HttpResponse:
    """People written to before, for what is being typed."""
    found = suggestions.for_typed(request.user, request.GET.get("q", ""), now=timezone.localtime())
    return render(request, "webmail/compose_addresses.html", {"people": found})


def _save(request: UserRequest, found: Draft, form: DraftForm) -> None:
    """Store what the form says; a first save ties the draft to what it answers or passes on."""
    said = form.cleaned_data
    if found._state.adding:
        _tie(request, found, form)
    composing.save_draft(
        found, form.written, now=timezone.localtime(), keep=said["keep"], force=said["force"]
    )


def _tie(request: UserRequest, found: Draft, form: DraftForm) -> None:
    for name, tie in (("reply_to", answering.answers), ("forward_of", answering.forwards)):
        origin = form.origin(name)
        if origin is not None:
            tie(found, access.message_for(request.user, origin))


def _attach(request: UserRequest, found: Draft) -> tuple[str, ...]:
    refused = []
    for upload in request.FILES.getlist("files"):
        try:
            composing.attach(found, upload)
        except composing.FileTooLargeError as refusal:
            refused.append(refusal.sentence)
    return tuple(refused)


def _answers(request: UserRequest) -> sending.Answers:
    def listed(name: str) -> frozenset[str]:
        return frozenset("\n".join(request.POST.getlist(name)).splitlines())

    return sending.Answers(
        consents=listed("consent"),
        insists=listed("insist"),
        lifts=listed("lift"),
        anyway="anyway" in request.POST,
    )


def _asked(refusal: UserError) -> Asked:
    if isinstance(refusal, sending.UnfinishedDraftError):
        return Asked(errors=refusal.errors)
    if isinstance(refusal, sending.ConsentNeededError):
        return Asked(consents=refusal.consents)
    if isinstance(refusal, sending.SuppressedError):
        return Asked(suppressed=refusal.suppressed)
    return Asked(cannot=refusal.sentence)


def _page(
    request: UserRequest, found: Draft, asked: Asked | None = None, *, status: int = 200
) -> HttpResponse:
    offered: tuple[PartInfo, ...] = ()
    if found._state.adding and found.forward_of is not None:
        offered = parse.parse(bytes(found.forward_of.blob.data)).files
    page = compose_page(found, now=timezone.localtime(), asked=asked, offered=offered)
    if request.GET.get("copies"):
        page = replace(page, lines=tuple(replace(line, is_shown=True) for line in page.lines))
    response = render(request, TEMPLATE, {"page": page}, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _answer(
    request: UserRequest,
    found: Draft,
    parts: tuple[str, ...],
    asked: Asked | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """Answer a script with parts of the page; a browser with the page, or the way to it."""
    if request.htmx:
        context = {"page": compose_page(found, now=timezone.localtime(), asked=asked)}
        html = (render_to_string(f"{TEMPLATE}#{part}", context, request) for part in parts)
        return HttpResponse("".join(html), status=status)
    if status != 200:
        return _page(request, found, asked, status=status)
    shows_copies = "?copies=1" if asked and asked.shows_copies else ""
    return redirect(reverse("webmail:draft", args=[found.uuid]) + shows_copies)


def _way_back(found: Draft) -> str:
    """Return where to go after Send: back to what was answered, else to the outbox."""
    origin = found.reply_to or found.forward_of
    if origin is not None:
        return reverse("webmail:message", args=[origin.uuid])
    return reverse("webmail:outbox")


def _leave(request: UserRequest, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
