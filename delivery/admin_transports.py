"""Transports and routes for operators: set up, tried out, paused, explained.

Changes go through `delivery.transports` and `delivery.routes`. A secret can be set here and never
be read again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from delivery import audit, routes, transport_tests, transports
from delivery.admin_kinds import YES_OR_NO, copies, tag, titled
from delivery.admin_transport_forms import ExplainForm, RouteForm, TransportForm
from delivery.models import Route, Transport
from delivery.policy import routing
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    AnyAdmin = admin.ModelAdmin[Any]
else:
    AnyAdmin = admin.ModelAdmin


class TransportAdmin(AnyAdmin):
    """Ways out other than straight to the recipient's servers."""

    form = TransportForm
    list_display = ("name", "kind", "leads_to", "state", "waiting")
    list_filter = ("kind", ("is_enabled", titled("in use", YES_OR_NO)))
    search_fields = ("name", "username")
    change_form_template = "admin/delivery/transport_change_form.html"
    fieldsets = (
        (None, {"fields": ("name", "kind", "is_enabled", "hosts", "port", "tls")}),
        ("Log-in", {"fields": ("username", "secret", "mechanisms", "pinned")}),
        (
            "Renewing its token (OAuth 2)",
            {"fields": ("token_url", "client_id", "client_secret", "token_scope")},
        ),
        ("Where mail comes from", {"fields": ("families", "sources", "exits", "ehlo_name")}),
        ("Answer of “fail”", {"fields": ("code", "enhanced", "text")}),
    )

    @admin.display(description="leads to")
    def leads_to(self, row: Transport) -> str:
        """The hosts."""
        return ", ".join(row.hosts) or "–"

    @admin.display
    def state(self, row: Transport) -> SafeString:
        """Whether mail leaves by it, and if not, why."""
        if row.paused_at is not None:
            return format_html("{} {}", tag("Paused", "bad"), row.paused_because)
        return tag("In use", "yes") if row.is_enabled else tag("Off")

    @admin.display(description="copies waiting")
    def waiting(self, row: Transport) -> int:
        """How much mail waits for it."""
        return transports.waiting_for(row.name)

    def save_model(self, request: HttpRequest, obj: Transport, form: Any, change: bool) -> None:
        """Add or change it through the service."""
        actor, now = audit.operator(request), timezone.now()
        settings = form.settings()
        if change:
            row = Transport.objects.get(pk=obj.pk)
            transports.change(row, settings, actor=actor, now=now, **form.new_secrets())
        else:
            secrets = {name: form.cleaned_data[name] for name in ("secret", "client_secret")}
            row = transports.add(settings, actor=actor, now=now, **secrets)
        obj.__dict__.update(row.__dict__)

    def delete_model(self, request: HttpRequest, obj: Transport) -> None:
        """Remove it through the service; the admin has refused what routes lead to."""
        transports.remove(obj, actor=audit.operator(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Transport]) -> None:
        """Remove several."""
        for row in queryset:
            self.delete_model(request, row)

    def get_urls(self) -> list[URLPattern]:
        """Add the buttons of one transport."""
        added = [
            path(
                f"<int:key>/{name}/",
                self.admin_site.admin_view(require_POST(partial(self._press, act=act))),
                name=f"delivery_transport_{name}",
            )
            for name, act in _BUTTONS.items()
        ]
        return added + super().get_urls()

    def _press(
        self, request: HttpRequest, key: int, act: Callable[[HttpRequest, Transport], Any]
    ) -> HttpResponse:
        row = Transport.objects.filter(pk=key).first()
        if row is None:
            raise Http404
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        found = act(request, row)
        if isinstance(found, transport_tests.Tested):
            context = self.admin_site.each_context(request)
            context |= {"title": f"Test of “{row.name}”", "row": row, "tested": found}
            return TemplateResponse(request, "admin/delivery/transport_tested.html", context)
        return HttpResponseRedirect(reverse("admin:delivery_transport_change", args=[key]))


def _test(request: HttpRequest, row: Transport) -> transport_tests.Tested:
    return async_to_sync(transport_tests.test)(row)


def _pause(request: HttpRequest, row: Transport) -> None:
    because = request.POST.get("reason", "").strip()[:500] or "An operator paused it."
    transports.pause(row, because=because, actor=audit.operator(request), now=timezone.now())
    messages.success(request, f"“{row.name}” is paused; its mail waits.")


def _resume(request: HttpRequest, row: Transport) -> None:
    woken = transports.resume(row, actor=audit.operator(request), now=timezone.now())
    messages.success(request, f"“{row.name}” is in use again; {copies(woken, 'leave')} now.")


_BUTTONS: dict[str, Callable[[HttpRequest, Transport], Any]] = {
    "test": _test,
    "pause": _pause,
    "resume": _resume,
}


class RouteAdmin(AnyAdmin):
    """Which mail takes which transport, in the order in which routes are asked."""

    form = RouteForm
    list_display = ("sentence", "level", "position", "transport")
    list_filter = ("level", "transport")
    list_select_related = ("transport", "account")
    autocomplete_fields = ("account",)
    change_list_template = "admin/delivery/route_change_list.html"
    fields = (
        "level",
        "account",
        "domain",
        "sender_domains",
        "recipient_domains",
        "minimum_attempts",
        "transport",
        "position",
    )

    @admin.display(description="what it says")
    def sentence(self, row: Route) -> str:
        """The route in words."""
        return routing.told(routes.value_of(row))

    def save_model(self, request: HttpRequest, obj: Route, form: Any, change: bool) -> None:
        """Keep it through the service."""
        routes.keep(obj, actor=audit.operator(request), now=timezone.now())

    def delete_model(self, request: HttpRequest, obj: Route) -> None:
        """Remove it through the service."""
        routes.remove(obj.pk, actor=audit.operator(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Route]) -> None:
        """Remove several."""
        for row in queryset:
            self.delete_model(request, row)

    def get_urls(self) -> list[URLPattern]:
        """Add the explanation."""
        view = self.admin_site.admin_view(self.explain)
        return [path("explain/", view, name="delivery_route_explain"), *super().get_urls()]

    def explain(self, request: HttpRequest) -> HttpResponse:
        """Say by which way a copy would leave, and why."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = ExplainForm(request.GET or None)
        decision = None
        if form.is_valid():
            try:
                decision = routes.explain(**form.cleaned_data, now=timezone.now())
            except UserError as refusal:
                form.add_error(None, refusal.sentence)
        context = self.admin_site.each_context(request)
        context |= {"title": "Which way would it go?", "form": form, "decision": decision}
        return TemplateResponse(request, "admin/delivery/route_explain.html", context)
