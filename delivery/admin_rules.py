"""Hold rules, suppressed addresses and sending limits for operators.

Every change goes through a service, which writes down who made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.utils import timezone

from delivery import audit, holdrules, limits, suppressions
from delivery.admin_kinds import YES_OR_NO, copies, moment, titled
from delivery.holdrules import NewRule
from delivery.models import HoldKind, HoldRule, Recipient, SendingLimits, State, Suppression
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


def _refuse(form: forms.BaseForm, refusal: UserError) -> None:
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)


class HoldRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """What to hold; checked by the service that makes rules."""

    expires_at = forms.DateTimeField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Then what only this rule holds leaves. Empty: it stays until you remove it.",
    )

    class Meta:
        model = HoldRule
        fields = (
            "account",
            "sender_domain",
            "recipient_domain",
            "is_for_all",
            "reason",
            "expires_at",
        )
        help_texts: ClassVar[dict[str, str]] = {
            "account": "Mail of this account. Empty: of any.",
            "sender_domain": "Mail from addresses at this domain. Empty: from any.",
            "recipient_domain": "Mail to addresses at just this domain, none below it. Empty: to any.",
            "is_for_all": "Only needed if nothing else is given.",
            "reason": "A sentence. Senders read it in their outbox.",
        }

    @property
    def rule(self) -> NewRule:
        """What was asked for."""
        said = self.cleaned_data
        return NewRule(
            account=said.get("account"),
            sender_domain=said.get("sender_domain", ""),
            recipient_domain=said.get("recipient_domain", ""),
            reason=said.get("reason", ""),
            expires_at=said.get("expires_at"),
            everything=said.get("is_for_all", False),
        )

    def clean(self) -> dict[str, Any]:
        """Ask the service."""
        super().clean()
        try:
            holdrules.build(self.rule, now=timezone.now())
        except UserError as refusal:
            _refuse(self, refusal)
        return self.cleaned_data

    def _post_clean(self) -> None:
        """The service makes the row; the form checks nothing twice."""


class _WithoutChange(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A row is removed and made anew: what it did is then written down."""
        return False


@admin.register(HoldRule)
class HoldRuleAdmin(_WithoutChange):
    """Rules that keep mail here."""

    form = HoldRuleForm
    list_display = ("holds", "held", "reason", "created_by", "since", "until", "kind")
    list_filter = ("kind",)
    search_help_text = "Part of an account, a domain, or a reason"
    list_select_related = ("account",)
    search_fields = ("account__username", "sender_domain", "recipient_domain", "reason")
    autocomplete_fields = ("account",)
    actions = ("remove",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rules are removed by the action, which lets their copies go."""
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Removing a rule needs the right to delete it."""
        return request.user.has_perm("delivery.delete_holdrule")

    def save_model(self, request: HttpRequest, obj: HoldRule, form: Any, change: bool) -> None:
        """Make it through the service, and say how much it holds."""
        rule, held = holdrules.add(form.rule, actor=audit.operator(request), now=timezone.now())
        obj.pk = rule.pk
        obj.refresh_from_db()
        messages.info(request, f"The rule is set; {copies(held, 'are')} held by it.")

    @admin.display(description="holds")
    def holds(self, rule: HoldRule) -> str:
        """What it is about."""
        return f"{rule.words[:1].upper()}{rule.words[1:]}"

    @admin.display(description="since", ordering="created_at")
    def since(self, rule: HoldRule) -> SafeString | str:
        """When it was made."""
        return moment(rule.created_at)

    @admin.display(description="until", ordering="expires_at")
    def until(self, rule: HoldRule) -> SafeString | str:
        """When it ends by itself."""
        return moment(rule.expires_at)

    @admin.display(description="copies")
    def held(self, rule: HoldRule) -> int:
        """How many it holds now."""
        return Recipient.objects.filter(held_by=rule, state=State.HELD).count()

    @admin.action(description="Remove, and let go what only this rule holds", permissions=["end"])
    def remove(self, request: HttpRequest, rules: QuerySet[HoldRule]) -> None:
        """End the chosen rules; those of switched-off domains end with them."""
        own, by = rules.filter(kind=HoldKind.OPERATOR), audit.operator(request)
        kept = rules.exclude(kind=HoldKind.OPERATOR).count()
        ended = list(own)
        released = sum(holdrules.remove(rule, actor=by, now=timezone.now()) for rule in ended)
        gone = "1 rule" if len(ended) == 1 else f"{len(ended)} rules"
        messages.success(request, f"{gone} removed; {copies(released, 'leave')}.")
        if kept:
            messages.warning(request, str(holdrules.DomainRuleError().sentence))


@admin.register(Suppression)
class SuppressionAdmin(_WithoutChange):
    """Addresses that accounts write to no more; owners see and lift their own."""

    list_display = ("address", "owner", "times", "enhanced", "said", "from_when", "until")
    list_filter = (
        ("is_manual", titled("added by hand", YES_OR_NO)),
        ("enhanced", titled("enhanced code", admin.AllValuesFieldListFilter)),
    )
    search_help_text = "Part of an address, of an account, or of what the server said"
    search_fields = ("address", "owner__username", "reply")
    list_select_related = ("owner",)
    list_per_page = 50
    actions = ("lift",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Servers add entries, and owners; operators do by `manage.py suppress`."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Lifting keeps how often an address was refused."""
        return False

    def has_lift_permission(self, request: HttpRequest) -> bool:
        """Lifting an entry needs the right to delete it."""
        return request.user.has_perm("delivery.delete_suppression")

    @admin.display(description="since", ordering="since")
    def from_when(self, entry: Suppression) -> SafeString | str:
        """When the address was refused."""
        return moment(entry.since)

    @admin.display(description="until", ordering="ends_at")
    def until(self, entry: Suppression) -> SafeString | str:
        """When it may be written to again."""
        return moment(entry.ends_at)

    @admin.display(description="server’s words")
    def said(self, entry: Suppression) -> str:
        """The first line of them, or the note."""
        return (entry.reply or entry.note).partition("\n")[0][:100]

    @admin.action(description="Lift: let the account write there again", permissions=["lift"])
    def lift(self, request: HttpRequest, entries: QuerySet[Suppression]) -> None:
        """Take the chosen entries off their lists."""
        now, by = timezone.now(), audit.operator(request)
        lifted = 0
        for entry in entries.select_related("owner"):
            if suppressions.lift(owner_id=entry.owner_id, address=entry.address, now=now):
                target, detail = str(entry.owner), {"address": entry.address}
                action = "suppression lifted"
                audit.write(
                    audit.Entry(action=action, actor=by, at=now, target=target, detail=detail)
                )
                lifted += 1
        messages.success(request, f"{lifted} lifted: their accounts may write there again.")


class SendingLimitsForm(forms.ModelForm):  # type: ignore[type-arg]
    """Numbers within the bounds of the service."""

    class Meta:
        model = SendingLimits
        fields = ("owner", "recipients_per_day", "new_recipients_per_day")

    def clean(self) -> dict[str, Any]:
        """Ask for numbers that can be meant."""
        said = dict(super().clean() or self.cleaned_data)
        for name in ("recipients_per_day", "new_recipients_per_day"):
            if (said.get(name) or 0) > limits.HIGHEST:
                self.add_error(name, ValidationError(limits.BadLimitError().sentence))
        return said


@admin.register(SendingLimits)
class SendingLimitsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Accounts that may send more, or less, than everybody."""

    form = SendingLimitsForm
    list_display = ("owner", "recipients_per_day", "new_recipients_per_day", "used")
    list_select_related = ("owner",)
    search_fields = ("owner__username",)
    autocomplete_fields = ("owner",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Empty numbers mean the same as no row."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Whose limits they are stays."""
        return ("owner",) if obj else ()

    def save_model(self, request: HttpRequest, obj: SendingLimits, form: Any, change: bool) -> None:
        """Set them through the service."""
        saved = limits.set_limits(
            owner=obj.owner,
            recipients=obj.recipients_per_day,
            new_recipients=obj.new_recipients_per_day,
            actor=audit.operator(request),
            now=timezone.now(),
        )
        obj.pk = saved.pk

    @admin.display(description="used in 24 hours")
    def used(self, own: SendingLimits) -> str:
        """Recipients, and first-time ones."""
        usage = limits.usage_of(own.owner_id, now=timezone.now())
        return f"{usage.recipients:,}, of them new {usage.new_recipients:,}"
