"""Keys that sign mail, for operators: made here, published by hand, switched on and off.

A change goes through accounts.dkim, after a page that says what it means. Private keys are neither
shown nor taken in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html

from accounts import dkim
from accounts.admin_forms import NewKeyForm
from accounts.admin_kinds import KeptAdmin, actor_of, to_copy
from accounts.lookup import operator_lookup
from accounts.models import DkimKey
from delivery.dkim import Algorithm
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

_ACTIVATE = (
    "Mail is signed with these keys from now on. A key of the same kind that signed before "
    "retires; its record must stay in DNS for a week."
)
_RETIRE = (
    "An active key signs no more, and its private half is forgotten: there is no way back. Without "
    "another active key the domain's mail goes unsigned. A retiring key is gone, and its record "
    "can be taken out of DNS."
)


class DkimKeyAdmin(KeptAdmin):
    """One row a key: where it stands, and what is to be done about it."""

    list_display = ("selector", "domain", "kind", "state", "finding", "to_do")
    list_filter = ("state", "algorithm", "domain")
    search_fields = ("selector", "domain__name")
    list_select_related = ("domain",)
    actions = ("look", "activate", "retire")
    fields = (
        "domain",
        "selector",
        "kind",
        "state",
        "to_do",
        "record_name",
        "record_value",
        "zone_line",
        "checked_at",
        "finding",
        "created_at",
        "activated_at",
        "retired_at",
    )

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A key stays what it is; its state changes by actions."""
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Switching keys on and off needs the right to change them."""
        return request.user.has_perm("accounts.change_dkimkey")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """A new key needs a domain."""
        if obj is None:
            kwargs["form"] = NewKeyForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the record once there is a key."""
        return self.fields if obj else ("domain", "kinds", "selector")

    def save_model(self, request: HttpRequest, obj: DkimKey, form: Any, change: bool) -> None:
        """Make one key or two through the service."""
        keys = form.make(actor=actor_of(request))
        obj.pk = keys[0].pk
        obj.refresh_from_db()
        for key in keys[1:]:
            messages.success(request, f"{key} ({key.algorithm}) was made, too.")
        messages.info(request, "Publish the records, then activate the keys.")

    @admin.display(description="Algorithm", ordering="algorithm")
    def kind(self, key: DkimKey) -> str:
        """Its name for people."""
        return Algorithm(key.algorithm).shown

    @admin.display(description="What to do")
    def to_do(self, key: DkimKey) -> str:
        """What is to be done about it."""
        return dkim.advice(key)

    @admin.display(description="Name of the TXT record")
    def record_name(self, key: DkimKey) -> SafeString:
        """Where to publish it."""
        return format_html("<code>{}</code>", key.record.name)

    @admin.display(description="Its value")
    def record_value(self, key: DkimKey) -> SafeString:
        """The whole of it, as most providers' forms take it."""
        return to_copy(key.record.value)

    @admin.display(description="The same for a zone file")
    def zone_line(self, key: DkimKey) -> SafeString:
        """A line, with strings of at most 255 octets."""
        return to_copy(str(key.record))

    @admin.action(description="Check: look whether DNS has the record", permissions=["operate"])
    def look(self, request: HttpRequest, keys: QuerySet[DkimKey]) -> None:
        """Look for each record now."""
        look_up, now = operator_lookup(), timezone.now()

        def act(key: DkimKey) -> str:
            verdict = dkim.check_key(key=key, look_up=look_up, now=now)
            if not verdict.will_do:
                raise UserError(f"{key}: {key.finding}")
            return f"{key}: {key.finding}"

        _each(request, keys, act)

    @admin.action(description="Activate: sign with it", permissions=["operate"])
    def activate(self, request: HttpRequest, keys: QuerySet[DkimKey]) -> HttpResponse | None:
        """Sign with the keys, once the operator has confirmed it."""
        if "confirmed" not in request.POST:
            return self._ask(request, keys, "activate", "Activate", _ACTIVATE)
        look_up = None if "forced" in request.POST else operator_lookup()

        def act(key: DkimKey) -> str:
            done = dkim.activate(
                key=key, look_up=look_up, now=timezone.now(), actor=actor_of(request)
            )
            return f"{key} signs now." + "".join(f" {each} is retiring." for each in done)

        _each(request, keys, act)
        return None

    @admin.action(description="Retire: sign with it no more", permissions=["operate"])
    def retire(self, request: HttpRequest, keys: QuerySet[DkimKey]) -> HttpResponse | None:
        """Take the keys a step towards their end, once the operator has confirmed it."""
        if "confirmed" not in request.POST:
            return self._ask(request, keys, "retire", "Retire", _RETIRE)
        is_forced = "forced" in request.POST

        def act(key: DkimKey) -> str:
            dkim.retire(key=key, now=timezone.now(), is_forced=is_forced, actor=actor_of(request))
            return f"{key} is {key.state}. {dkim.advice(key)}"

        _each(request, keys, act)
        return None

    def _ask(
        self, request: HttpRequest, keys: QuerySet[DkimKey], action: str, verb: str, meaning: str
    ) -> HttpResponse:
        return TemplateResponse(
            request,
            "admin/accounts/confirm_keys.html",
            {
                **self.admin_site.each_context(request),
                "title": verb,
                "verb": verb,
                "action": action,
                "meaning": meaning,
                "keys": [(key, dkim.advice(key)) for key in keys.select_related("domain")],
            },
        )


def _each(request: HttpRequest, keys: QuerySet[DkimKey], act: Callable[[DkimKey], str]) -> None:
    """Do it to each key, and say of each how that went."""
    for key in keys.select_related("domain"):
        try:
            messages.success(request, act(key))
        except UserError as refusal:
            messages.error(request, refusal.sentence)
