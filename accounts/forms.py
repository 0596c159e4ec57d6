"""The shape of what people send in: log-in, profile, rules for sending, pledges, password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError

from accounts.models import SendPreferences
from delivery.policy.modes import BrokenTls, Mode, PledgeKind
from delivery.webhook_models import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailweb.lib.errors import UserError

    PreferencesForm = forms.ModelForm[SendPreferences]
else:
    PreferencesForm = forms.ModelForm


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRow:
    """One row of a list of choices: a name and one line about it."""

    value: str
    name: str
    note: str
    is_chosen: bool


Rows = tuple[tuple[str, str, str], ...]

MODES: Rows = (
    (
        Mode.DEFAULT,
        "Default",
        "What the recipient’s server publishes is enforced; else TLS if it offers it.",
    ),
    (
        Mode.VERIFIED,
        "Verified",
        "Only over TLS that provably ends at the recipient’s mail server. Otherwise it stays here.",
    ),
    (
        Mode.REQUIRETLS,
        "REQUIRETLS",
        "Verified, and each later server must promise the same. Few servers announce it, so most "
        "messages will need a choice by hand.",
    ),
)
BROKEN: Rows = (
    (
        BrokenTls.ASK,
        "Offer and ask",
        "TLS optional is preselected for that recipient, and Send asks once, with the reason.",
    ),
    (
        BrokenTls.AUTOMATIC,
        "Send anyway",
        "TLS optional is used for that recipient without a question.",
    ),
    (
        BrokenTls.NEVER,
        "Never",
        "The message waits until their server is repaired, or you choose by hand.",
    ),
)
PLEDGES: Rows = (
    (
        PledgeKind.VERIFIED,
        "Never without verified TLS",
        "A message that can’t be protected so far waits here, whatever mode is chosen.",
    ),
    (
        PledgeKind.PLAIN,
        "Plain text is fine",
        "Also when your account otherwise never sends in the clear.",
    ),
)


def _choices(rows: Rows) -> list[tuple[str, str]]:
    return [(str(value), name) for value, name, _ in rows]


class RowsField(forms.ChoiceField):
    """A choice from rows of value, name and note."""

    widget = forms.RadioSelect

    def __init__(self, *, rows: Rows, **kwargs: Any) -> None:
        self.rows = rows
        super().__init__(choices=_choices(rows), **kwargs)


class RowsMixin(forms.BaseForm):
    """Lets a template list the rows of a `RowsField`."""

    def rows_of(self, name: str) -> Sequence[ChoiceRow]:
        """Return the rows of the field, the chosen one marked."""
        field = self.fields[name]
        rows = field.rows if isinstance(field, RowsField) else ()
        chosen = str(self[name].value() or "")
        return [
            ChoiceRow(value=str(value), name=title, note=note, is_chosen=str(value) == chosen)
            for value, title, note in rows
        ]


def refuse(form: forms.BaseForm, refusal: UserError) -> None:
    """Show a service's refusal at the field it names, or above the form."""
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)


class LoginForm(AuthenticationForm):
    """Address and password. What is wrong is never told apart."""

    is_kept = forms.BooleanField(
        label="Keep me logged in on this device", required=False, initial=True
    )
    refusal = "Address and password do not match."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["username"]
        name.label = "Email address"
        name.widget.attrs.update({"inputmode": "email", "spellcheck": "false"})
        if self.is_bound:
            name.widget.attrs.pop("autofocus", None)
            self.fields["password"].widget.attrs["autofocus"] = True

    def clean_username(self) -> str:
        """Bring the name into one form, so that guesses are counted together."""
        return str(self.cleaned_data["username"]).strip().lower()

    def clean(self) -> dict[str, Any]:
        """Check both together."""
        try:
            super().clean()
        except ValidationError:
            self.add_error("password", self.refusal)
        return self.cleaned_data


def _printable(text: str) -> None:
    if not text.isprintable():
        raise ValidationError("A name is one line of letters and signs.")


class ProfileForm(forms.Form):
    """Who recipients see."""

    name = forms.CharField(
        max_length=120,
        required=False,
        validators=[_printable],
        help_text="Recipients see it beside your address.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    address = forms.ChoiceField(
        label="Send from",
        help_text="New messages start with this address. Operators add addresses.",
    )

    def __init__(self, *args: Any, addresses: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if addresses:
            self.fields["address"] = forms.ChoiceField(
                label="Send from",
                choices=[(each, each) for each in addresses],
                help_text=self.fields["address"].help_text,
            )
        else:
            del self.fields["address"]


class SendingForm(RowsMixin, PreferencesForm):
    """An account's rules for sending."""

    never_plain = forms.BooleanField(
        label="Never in the clear",
        required=False,
        help_text="A message waits here rather than travel without TLS. A pledge can except "
        "single recipients, and so can TLS optional, chosen for one message.",
    )
    default_mode = RowsField(label="How new messages are sent", rows=MODES)
    on_broken_tls = RowsField(label="When a recipient’s published TLS is broken", rows=BROKEN)

    class Meta:
        model = SendPreferences
        fields = ("accepts_pkix", "on_broken_tls", "default_mode", "undo_seconds", "signature")
        labels = {
            "accepts_pkix": "Count a trusted certificate as verified",
            "undo_seconds": "Seconds to undo",
        }
        help_texts = {
            "accepts_pkix": "Also when the server’s name came over DNS that is not signed. "
            "Someone who forges DNS answers could then receive the message; the receipt says so.",
            "undo_seconds": "How long a message waits here after Send: 0 to 60.",
            "signature": "Put under new messages, after a line with two dashes.",
        }
        error_messages = {
            "undo_seconds": dict.fromkeys(
                ("required", "invalid", "min_value", "max_value"), "Enter 0 to 60 seconds."
            )
        }
        widgets = {
            "signature": forms.Textarea(attrs={"rows": 4}),
            "undo_seconds": forms.NumberInput(
                attrs={"min": 0, "max": 60, "inputmode": "numeric", "class": "input--short"}
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["never_plain"].initial = not self.instance.allows_plain_text

    def clean(self) -> dict[str, Any]:
        """Turn the promise into the stored permission."""
        super().clean()
        self.instance.allows_plain_text = not self.cleaned_data.get("never_plain")
        return self.cleaned_data


class PledgeForm(RowsMixin, forms.Form):
    """A promise about one address or one whole domain."""

    target = forms.CharField(
        label="Address or domain",
        max_length=320,
        help_text="For instance bob@mailweb.test, or mailweb.test for everyone there.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    kind = RowsField(label="The pledge", rows=PLEDGES, initial=PledgeKind.VERIFIED)


EVENTS: Rows = (
    (Event.DELIVERED, "Delivered", ""),
    (Event.DELAYED, "Delayed: another try follows", ""),
    (Event.HELD, "Held for a decision", ""),
    (Event.FAILED, "Failed for good", ""),
    (Event.CANCELLED, "Cancelled", ""),
)


class WebhookForm(forms.Form):
    """Where an account wants to hear of its mail, and of what."""

    url = forms.CharField(
        label="URL",
        max_length=500,
        help_text="It begins with https:// and is reachable from the internet.",
        widget=forms.URLInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    events = forms.MultipleChoiceField(
        choices=_choices(EVENTS),
        initial=[value for value, *_ in EVENTS],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "tick-box"}),
        error_messages={"required": "Choose at least one."},
    )


class NewPasswordForm(PasswordChangeForm):
    """The old password once, the new one twice."""

    field_order = ("old_password", "new_password1", "new_password2")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = {
            "old_password": "Password now",
            "new_password1": "New password",
            "new_password2": "New password again",
        }
        for name, label in labels.items():
            self.fields[name].label = label
            self.fields[name].help_text = ""
            self.fields[name].widget.attrs.pop("autofocus", None)
        self.fields["new_password1"].help_text = "At least 10 characters, not a common one."


class SuppressForm(forms.Form):
    """An address to write to no more, and why."""

    address = forms.CharField(
        max_length=320, widget=forms.TextInput(attrs={"inputmode": "email", "spellcheck": "false"})
    )
    note = forms.CharField(
        label="Why",
        max_length=300,
        required=False,
        help_text="Compose shows it when you write to this address.",
    )
