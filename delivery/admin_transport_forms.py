"""Forms of the admin for transports and routes: they check what the services would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from delivery import routes, transports
from delivery.models import Route, Transport
from delivery.transport_rules import check
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    TransportModelForm = forms.ModelForm[Transport]
    RouteModelForm = forms.ModelForm[Route]
else:
    TransportModelForm = RouteModelForm = forms.ModelForm


class Lines(forms.CharField):
    """A list of words, one in each line."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 60})

    def prepare_value(self, value: Any) -> Any:
        """Show a list as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Read words, set off by spaces, commas or line ends."""
        return str(value or "").replace(",", " ").split()


def _secret(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        strip=False,
        required=False,
        max_length=16 * 1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=f"{help_text} Left empty, what is stored stays. It is kept encrypted, and never shown.",
    )


class TransportForm(TransportModelForm):
    """All settings; the secret goes in and never comes out."""

    hosts = Lines(
        required=False, help_text="Of a relay or proxy, one a line; they are tried in this order."
    )
    sources = Lines(
        required=False,
        label="Send from",
        help_text="Addresses of this machine, one a line. Empty: the system chooses.",
    )
    exits = Lines(
        required=False,
        label="Seen from outside as",
        help_text="Addresses that others see mail come from, such as a proxy's. SPF must allow them.",
    )
    mechanisms = Lines(
        required=False, help_text="That may be used to log in, one a line. Empty: the usual."
    )
    secret = _secret("Password or token", "The refresh token, where it is renewed.")
    client_secret = _secret("Client secret", "Of the client ID, if it has one.")

    class Meta:
        model = Transport
        fields = tuple(transports.SHOWN)
        labels: ClassVar[dict[str, str]] = {
            "is_enabled": "In use",
            "tls": "TLS",
            "username": "User name",
            "pinned": "Weakest mechanism",
            "families": "IP versions",
            "ehlo_name": "Name in EHLO",
            "code": "SMTP code",
            "enhanced": "Enhanced code",
        }

    def settings(self) -> dict[str, Any]:
        """Return what the service takes."""
        return {name: self.cleaned_data[name] for name in transports.SHOWN}

    def clean(self) -> dict[str, Any]:
        """Try the settings together, so that a refusal stands at its field."""
        super().clean()
        if self.errors:
            return self.cleaned_data
        tried = Transport(**self.settings())
        tried.sealed_secret = self.instance.sealed_secret
        tried.sealed_client_secret = self.instance.sealed_client_secret
        for name, secret in self.new_secrets().items():
            if secret is not None:
                setattr(tried, name, secret)
        try:
            check(tried)
        except UserError as refusal:
            field = refusal.field if refusal.field in self.fields else None
            self.add_error(field, refusal.sentence)
        if self.instance.pk is not None:
            self._check_told(tried)
        return self.cleaned_data

    def new_secrets(self) -> dict[str, str | None]:
        """Return what the service takes: None for what stays, empty for what has no use any more."""
        row, given = self.instance, self.cleaned_data
        useless = "" if row.has_secret and not given["username"] else None
        client_useless = "" if row.has_client_secret and not given["token_url"] else None
        return {
            "secret": given["secret"] or useless,
            "client_secret": given["client_secret"] or client_useless,
        }

    def _check_told(self, tried: Transport) -> None:
        """Refuse to tell a stored secret to another server."""
        stored, new = Transport.objects.get(pk=self.instance.pk), self.new_secrets()
        changed = {
            name for name in transports.SHOWN if getattr(stored, name) != getattr(tried, name)
        }
        if stored.has_secret and new["secret"] is None and changed & transports.TELLS_TO:
            self.add_error("secret", transports.TOLD_TO_ANOTHER)
        is_elsewhere = "token_url" in changed
        if stored.has_client_secret and new["client_secret"] is None and is_elsewhere:
            self.add_error("client_secret", transports.CLIENT_TOLD_TO_ANOTHER)


class RouteForm(RouteModelForm):
    """One route."""

    sender_domains = Lines(
        required=False, label="From", help_text="Domains, one a line. Empty: all."
    )
    recipient_domains = Lines(
        required=False,
        label="To",
        help_text="Domains, one a line; “.example.org” means that one and all below it. Empty: all.",
    )

    class Meta:
        model = Route
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

    def clean(self) -> dict[str, Any]:
        """Try the conditions together, so that a refusal stands at its field."""
        super().clean()
        if self.errors:
            return self.cleaned_data
        tried = Route(**self.cleaned_data)
        try:
            routes.check(tried)
        except UserError as refusal:
            self.add_error(
                refusal.field if refusal.field in self.fields else None, refusal.sentence
            )
        for name in ("domain", "sender_domains", "recipient_domains"):
            if name in self.cleaned_data:
                self.cleaned_data[name] = getattr(tried, name)
        return self.cleaned_data


class ExplainForm(forms.Form):
    """A copy that might be sent."""

    mail_from = forms.CharField(
        label="From", required=False, help_text="The sender’s address; empty for a report."
    )
    rcpt = forms.EmailField(label="To")
    attempts_made = forms.IntegerField(
        label="Attempts already made", min_value=0, max_value=1000, initial=0
    )
    account = forms.CharField(
        required=False, help_text="Empty: the one whose name is the sender's address."
    )
