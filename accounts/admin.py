"""Accounts for operators: diagnosis first. Nothing is deleted here; accounts are disabled.

Changes go through services, so that they leave an audit entry and end sessions where they must.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from accounts import admin_records as admin_records
from accounts import dkim, outgoing, sending_rules, services
from accounts.admin_audit import AuditEntryAdmin
from accounts.admin_dkim import DkimKeyAdmin
from accounts.admin_forms import (
    AddressForm,
    NewDomainForm,
    NewPersonForm,
    NewUserForm,
    OperatorPasswordForm,
)
from accounts.admin_kinds import KeptAdmin, actor_of, to_copy
from accounts.models import (
    Address,
    AuditEntry,
    DkimKey,
    Domain,
    User,
)
from accounts.names import display_domain
from accounts.posture.dkim import KeyState
from accounts.posture.records import records_for
from delivery.admin_kinds import copies, moment, tag, titled
from delivery.dkim import Algorithm

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.forms import BaseModelForm
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    AddressRows = admin.TabularInline[Address, User]
    AuthAdmin = DjangoUserAdmin[User]
else:
    AuthAdmin = DjangoUserAdmin
    AddressRows = admin.TabularInline

admin.site.unregister(Group)


class LowerCaseLogin(AdminAuthenticationForm):
    """Brings the name into one form, so that guesses are counted together."""

    def clean_username(self) -> str:
        """Return the name as it is stored."""
        return str(self.cleaned_data["username"]).strip().lower()


admin.site.login_form = LowerCaseLogin


class AddressInline(AddressRows):
    """The addresses of an account; more can be added, none taken away."""

    model = Address
    form = AddressForm
    fields = ("local_part", "domain", "is_primary")
    extra = 1
    can_delete = False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whose an address is stays as it is: old mail and replies depend on it."""
        return False


@admin.register(User)
class UserAdmin(AuthAdmin, KeptAdmin):
    """Accounts and operators."""

    add_form = NewUserForm
    change_password_form = OperatorPasswordForm
    list_display = ("username", "name", "also", "state", "seen")
    list_filter = (
        ("is_active", titled("may log in", admin.BooleanFieldListFilter)),
        "is_staff",
        "addresses__domain",
    )
    search_help_text = "Part of a log-in, a name, or an address"
    search_fields = ("username", "name", "addresses__local_part", "addresses__domain__name")
    ordering = ("username",)
    readonly_fields = ("username", "is_active", "last_login", "date_joined")
    filter_horizontal = ()
    inlines = (AddressInline,)
    actions = ("disable", "enable")
    fieldsets = (
        (None, {"fields": ("username", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Times", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("address", "name", "password1", "password2", "is_operator")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Bring the addresses along."""
        return super().get_queryset(request).prefetch_related("addresses__domain")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Who has all rights is changed, password included, only by those who have them, too."""
        is_above = obj is not None and obj.is_superuser and not actor_of(request).is_superuser
        return not is_above and super().has_change_permission(request, obj)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Operators are made only by those who have all rights."""
        if obj is None and not actor_of(request).is_superuser:
            kwargs["form"] = NewPersonForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is not theirs to say is not asked."""
        if obj is None and not actor_of(request).is_superuser:
            return ((None, {"fields": ("address", "name", "password1", "password2")}),)
        return super().get_fieldsets(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002
        """Let the form know who sets the password; this admin itself serves many at once."""
        asked = copy(self)
        asked.change_password_form = partial(OperatorPasswordForm, actor=actor_of(request))  # type: ignore[assignment]
        return super(UserAdmin, asked).user_change_password(request, id, form_url)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[Any]:
        """A new account gets its first address in the form itself."""
        return [AddressInline] if obj else []

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Rights are given only by those who have them all."""
        rights = () if actor_of(request).is_superuser else ("is_staff", "is_superuser")
        return (*self.readonly_fields, *rights)

    @admin.display(description="State", ordering="is_active")
    def state(self, user: User) -> SafeString:
        """Whether it may log in, and as what."""
        if not user.is_active:
            return tag("Disabled", "warn")
        return tag("Operator", "accent") if user.is_staff else tag("In use", "yes")

    @admin.display(description="Last log-in", ordering="last_login")
    def seen(self, user: User) -> SafeString | str:
        """When it was."""
        return moment(user.last_login)

    @admin.display(description="Other addresses")
    def also(self, user: User) -> str:
        """The addresses that are not the log-in."""
        return ", ".join(str(each) for each in user.addresses.all() if str(each) != user.username)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Make a new account through the service; keep what was changed, and write it down."""
        if isinstance(form, NewUserForm):
            obj.pk = form.make(actor=actor_of(request)).pk
            obj.refresh_from_db()
            return
        super().save_model(request, obj, form, change)
        if form.changed_data:
            detail = {name: form.cleaned_data[name] for name in form.changed_data}
            services.record(
                "account changed",
                now=timezone.now(),
                actor=actor_of(request),
                target=obj,
                detail=detail,
            )

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Add new addresses through the service."""
        rows = [row for row in formset.extra_forms if row.has_changed()]
        formset.new_objects = [row.add(user=form.instance, actor=actor_of(request)) for row in rows]
        formset.changed_objects, formset.deleted_objects = [], []

    @admin.action(description="Disable: log out everywhere, refuse log-in", permissions=["change"])
    def disable(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Disable the chosen accounts, but never one's own."""
        chosen = self._within_reach(request, users).exclude(pk=actor_of(request).pk)
        for user in chosen:
            services.disable_account(user=user, now=timezone.now(), actor=actor_of(request))
        self.message_user(request, f"{len(chosen)} disabled.", messages.SUCCESS)

    @admin.action(description="Enable: allow log-in again", permissions=["change"])
    def enable(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Enable the chosen accounts."""
        chosen = self._within_reach(request, users)
        for user in chosen:
            services.enable_account(user=user, now=timezone.now(), actor=actor_of(request))
        self.message_user(request, f"{len(chosen)} enabled.", messages.SUCCESS)

    def _within_reach(self, request: HttpRequest, users: QuerySet[User]) -> QuerySet[User]:
        return users if actor_of(request).is_superuser else users.filter(is_superuser=False)


@admin.register(Domain)
class DomainAdmin(KeptAdmin):
    """Local domains, with the records to publish."""

    list_display = (
        "name",
        "own_letters",
        "state",
        "signed_with",
    )
    list_filter = (("is_active", titled("in use", admin.BooleanFieldListFilter)),)
    search_fields = ("name",)
    readonly_fields = ("sending_stopped_at", "created_at", "to_publish")
    actions = ("stop_sending", "resume_sending")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """A new domain needs only a name."""
        if obj is None:
            kwargs["form"] = NewDomainForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the records once there is a name."""
        fields = ("name", "is_active", "sending_stopped_at", "created_at", "to_publish")
        return fields if obj else ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A name is given once."""
        return ("name", *self.readonly_fields) if obj else ()

    def save_model(
        self, request: HttpRequest, obj: Domain, form: BaseModelForm[Domain], change: bool
    ) -> None:
        """Add through the service; write down a switch."""
        actor, now = actor_of(request), timezone.now()
        if not change:
            obj.pk = services.add_domain(obj.name, now=now, actor=actor).pk
            obj.refresh_from_db()
            return
        super().save_model(request, obj, form, change)
        if "is_active" in form.changed_data:
            action = "domain switched on" if obj.is_active else "domain switched off"
            services.record(action, now=now, actor=actor, target=obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Domain]:
        """Bring the keys along."""
        return super().get_queryset(request).prefetch_related("dkim_keys")

    @admin.action(
        description="Stop sending: keep here what is sent from it", permissions=["change"]
    )
    def stop_sending(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        """Keep the mail of the chosen domains, and of no others."""
        sending = domains.filter(sending_stopped_at=None)
        held = sum(
            sending_rules.stop_sending(domain=one, now=timezone.now(), actor=actor_of(request))
            for one in sending.order_by("pk")
        )
        self.message_user(
            request, f"Sending stopped; {copies(held, 'are')} held.", messages.SUCCESS
        )

    @admin.action(description="Send again: let go what was kept", permissions=["change"])
    def resume_sending(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        """Let the mail of the chosen domains leave."""
        stopped = domains.filter(sending_stopped_at__isnull=False)
        released = sum(
            sending_rules.resume_sending(domain=one, now=timezone.now(), actor=actor_of(request))
            for one in stopped.order_by("pk")
        )
        self.message_user(request, f"Sending again; {copies(released, 'leave')}.", messages.SUCCESS)

    @admin.display(description="State", ordering="sending_stopped_at")
    def state(self, domain: Domain) -> SafeString:
        """Whether it is in use, and whether mail leaves from it."""
        if not domain.is_active:
            return tag("Off")
        if domain.sending_stopped_at is None:
            return tag("In use", "yes")
        return format_html(
            "{} since {}", tag("Sends nothing", "warn"), moment(domain.sending_stopped_at)
        )

    @admin.display(description="Mail is signed with")
    def signed_with(self, domain: Domain) -> str:
        """The keys that sign (DKIM)."""
        active = [key for key in domain.dkim_keys.all() if key.state == KeyState.ACTIVE]
        kinds = [Algorithm(key.algorithm).shown for key in active if not dkim.is_broken(key)]
        return ", ".join(kinds) or ("a broken key: unsigned" if active else "nothing")

    @admin.display(description="In its own letters")
    def own_letters(self, domain: Domain) -> str:
        """The name as people read it."""
        return display_domain(domain.name)

    @admin.display(description="Records to publish")
    def to_publish(self, domain: Domain) -> SafeString:
        """Lines for a zone file."""
        keys = dkim.records_of(domain)
        records = records_for(
            domain.name,
            hostname=settings.MAIL_HOSTNAME,
            keys=keys,
            addresses=outgoing.extra_addresses(),
        )
        return format_html_join("", "<p>{}<br>{}</p>", ((r.why, to_copy(str(r))) for r in records))


admin.site.register(DkimKey, DkimKeyAdmin)
admin.site.register(AuditEntry, AuditEntryAdmin)
