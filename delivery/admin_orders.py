"""Orders in the admin: what is picked, a page that says what would happen, then operations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin import action as admin_action
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.template.response import TemplateResponse
from django.utils import timezone

from delivery import audit, operations
from delivery.models import Recipient
from delivery.orders import (
    REASON_CHARS,
    VERBS,
    BadOrderError,
    Order,
    Verb,
    transport_choices,
    transport_named,
)
from delivery.picking import Chosen
from delivery.policy.modes import Mode

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    Action = Callable[
        [ModelAdmin[Recipient], HttpRequest, QuerySet[Recipient]], HttpResponse | None
    ]

_MODES = (
    (
        Mode.DEFAULT.value,
        "Default: what the recipient's domain asks for, else TLS if it can be had",
    ),
    (Mode.VERIFIED.value, "Verified: TLS with a server that is proved, or it waits"),
    (Mode.REQUIRETLS.value, "REQUIRETLS: verified TLS all the way, or it fails"),
    (Mode.OPTIONAL.value, "TLS optional: no policy and no bad certificate stops it"),
)
_DELAYS = (
    ("15", "In 15 minutes"),
    ("60", "In an hour"),
    ("240", "In 4 hours"),
    ("1440", "In a day"),
    ("at", "At the time below"),
)


class OrderForm(forms.Form):
    """What an order needs to be told; fields that its verb does not need are not there."""

    mode = forms.ChoiceField(label="TLS mode", choices=_MODES, widget=forms.RadioSelect)
    transport = forms.ChoiceField(label="Transport")
    delay = forms.ChoiceField(label="When", choices=_DELAYS, initial="60")
    at = forms.DateTimeField(
        label="Time",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="By the clock of the times on these pages.",
    )
    now = forms.BooleanField(
        label="Try now, too", required=False, initial=True, help_text="What is held stays held."
    )
    reason = forms.CharField(
        label="Reason",
        max_length=REASON_CHARS,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="For the log.",
    )

    def __init__(self, verb: Verb, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verb = verb
        for name, need in {"mode": "mode", "transport": "transport", "delay": "time"}.items():
            if need not in verb.needs:
                del self.fields[name]
        if "time" not in verb.needs:
            del self.fields["at"]
        if not verb.takes_now:
            del self.fields["now"]
        if "transport" in verb.needs:
            self.fields["transport"].choices = transport_choices()  # type: ignore[attr-defined]
        if "reason" in verb.needs:
            self.fields["reason"].required = True
            self.fields["reason"].help_text = "The sender reads it, and it is kept in the log."

    def order(self, now: datetime) -> Order:
        """Return what was ordered; call it on a valid form."""
        given = self.cleaned_data
        return Order(
            verb=self.verb,
            reason=given["reason"].strip(),
            mode=Mode(given["mode"]) if "mode" in given else None,
            transport=transport_named(given["transport"]) if "transport" in given else None,
            at=self._at(now) if "delay" in given else None,
            is_now=given.get("now", False),
        )

    def _at(self, now: datetime) -> datetime | None:
        if self.cleaned_data["delay"] != "at":
            return now + timedelta(minutes=int(self.cleaned_data["delay"]))
        found: datetime | None = self.cleaned_data["at"]
        return found


def order_action(verb: Verb) -> Action:
    """Return the admin action of a verb: it asks first, then does."""

    @admin_action(description=verb.label, permissions=["operate"])
    def act(
        modeladmin: ModelAdmin[Recipient], request: HttpRequest, queryset: QuerySet[Recipient]
    ) -> HttpResponse | None:
        now = timezone.now()
        chosen = _chosen(request, queryset)
        form = OrderForm(verb, request.POST if "confirmed" in request.POST else None)
        if form.is_bound and form.is_valid():
            try:
                done = operations.carry_out(
                    form.order(now), chosen, by=audit.operator(request), now=now
                )
            except BadOrderError as refusal:
                form.add_error(refusal.field or None, refusal.sentence)
            else:
                _tell(request, verb, done)
                return None
        return _asked(modeladmin, request, form, chosen)

    act.__name__ = verb.name
    return act


def _chosen(request: HttpRequest, queryset: QuerySet[Recipient]) -> Chosen:
    """Return what was ticked; or all that match, but for what came after the page that said so."""
    rows = Recipient.objects.filter(pk__in=queryset.order_by().values("pk"))
    if request.POST.get("select_across") != "1":
        ids = [int(pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME) if pk.isdecimal()]
        shown = ", ".join(map(str, ids[:5])) + (f" and {len(ids) - 5} more" if ids[5:] else "")
        return Chosen(rows=rows, words=f"ids {shown}", filters={"ids": ids[: audit.IDS_KEPT]})
    up_to = request.POST.get("up_to", "")
    if up_to.isdecimal():
        rows = rows.filter(pk__lte=int(up_to[:18]))
    given = {key: text[:320] for key, text in request.GET.items() if key not in ("p", "o", "all")}
    words = ", ".join(f"{_said(key)} {text}" for key, text in given.items())
    return Chosen(rows=rows, words=words or "everything", filters=given)


def _said(key: str) -> str:
    names = {"q": "search", "to": "to-domain", "from": "from-domain", "older": "older-than"}
    return names.get(key, key)


def _tell(request: HttpRequest, verb: Verb, done: operations.Done) -> None:
    copies = "1 copy" if len(done.ids) == 1 else f"{len(done.ids)} copies"
    left = "".join(f" {sentence}." for sentence in done.left_alone)
    level = messages.SUCCESS if done.ids else messages.WARNING
    messages.add_message(request, level, f"{verb.label}: {copies}.{left}")


def _asked(
    modeladmin: ModelAdmin[Recipient], request: HttpRequest, form: OrderForm, chosen: Chosen
) -> HttpResponse:
    verb, now = form.verb, timezone.now()
    found = operations.preview(Order(verb=verb), chosen, now=now, is_asked=False)
    is_across = request.POST.get("select_across") == "1"
    newest = chosen.rows.order_by("-pk").values_list("pk", flat=True).first() if is_across else None
    context = {
        **modeladmin.admin_site.each_context(request),
        "opts": modeladmin.opts,
        "title": verb.label,
        "verb": verb,
        "form": form,
        "found": found,
        "words": chosen.words,
        "picked": [] if is_across else request.POST.getlist(ACTION_CHECKBOX_NAME)[:1000],
        "is_across": is_across,
        "up_to": request.POST.get("up_to") or newest,
    }
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, "admin/delivery/confirm.html", context, status=status)


ACTIONS = tuple(order_action(verb) for verb in VERBS.values())
