"""Forms of the admin: they check what the services would refuse, and then call them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts import dkim, services
from accounts.models import Address, DkimKey, Domain, User
from accounts.names import parse_address, parse_domain
from delivery.dkim import Algorithm
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    UserModelForm = forms.ModelForm[User]
    AddressModelForm = forms.ModelForm[Address]
    DomainModelForm = forms.ModelForm[Domain]
    KeyModelForm = forms.ModelForm[DkimKey]
    PasswordForm = AdminPasswordChangeForm[User]
else:
    UserModelForm = AddressModelForm = DomainModelForm = KeyModelForm = forms.ModelForm
    PasswordForm = AdminPasswordChangeForm


class NewUserForm(UserModelForm):
    """An account with its first address, or an operator with a plain name."""

    address = forms.CharField(
        label="Address", help_text="Its domain must be here. Operators may have a plain name."
    )
    password1 = forms.CharField(
        label="Password",
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Left empty, nobody can log in until one is set.",
    )
    password2 = forms.CharField(
        label="Password again",
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    is_operator = forms.BooleanField(label="Operator: may do everything here", required=False)

    class Meta:
        model = User
        fields = ("name",)

    def clean(self) -> dict[str, Any]:
        """Try the whole thing and take it back, so that every refusal is shown at its field."""
        super().clean()
        password = self.cleaned_data.get("password1") or ""
        if password != (self.cleaned_data.get("password2") or ""):
            self.add_error("password2", "The two passwords differ.")
        try:
            if password:
                services.check_new_password(password)
            if "address" in self.cleaned_data:
                self._try()
        except UserError as refusal:
            self.add_error("password1" if refusal.field == "password" else "address", str(refusal))
        return self.cleaned_data

    def _try(self) -> None:
        with transaction.atomic():
            self.make(actor=None)
            transaction.set_rollback(True)

    def make(self, *, actor: User | None) -> User:
        """Make the account."""
        is_operator = self.cleaned_data.get("is_operator")
        make = services.create_operator if is_operator else services.create_account
        return make(
            address=self.cleaned_data["address"],
            password=self.cleaned_data.get("password1") or None,
            name=self.cleaned_data.get("name", ""),
            now=timezone.now(),
            actor=actor,
        )

    def save(self, commit: bool = True) -> User:
        """Return the row as it will be; the admin saves it through `make`."""
        return self.instance

    def save_m2m(self) -> None:
        """Nothing: a new account has no relations but those that `make` gives it."""


class NewPersonForm(NewUserForm):
    """The same for whoever may add accounts but no operators."""

    is_operator = None  # type: ignore[assignment]  # so Django drops a field


class OperatorPasswordForm(PasswordForm):
    """A password set by an operator ends all sessions of the account."""

    def __init__(self, *args: Any, actor: User | None = None, **kwargs: Any) -> None:
        self.actor = actor
        super().__init__(*args, **kwargs)

    def save(self, commit: bool = True) -> User:
        """Set it through the service; without a usable one, as Django does."""
        if not self.cleaned_data.get("set_usable_password", True):
            return super().save(commit)
        password = self.cleaned_data["password1"]
        services.set_password(
            user=self.user, password=password, now=timezone.now(), actor=self.actor
        )
        return self.user


class AddressForm(AddressModelForm):
    """One more address for an account."""

    class Meta:
        model = Address
        fields = ("local_part", "domain", "is_primary")

    def clean(self) -> dict[str, Any]:
        """Bring the address into its stored form and see whether it is free."""
        super().clean()
        local, domain = self.cleaned_data.get("local_part"), self.cleaned_data.get("domain")
        if local and domain:
            try:
                self.cleaned_data["local_part"] = parse_address(f"{local}@{domain.name}").local_part
            except UserError as refusal:
                raise ValidationError({"local_part": refusal.sentence}) from None
            taken = services.is_taken(f"{local}@{domain.name}", by_others_than=self.instance.user)
            if taken:
                raise ValidationError({"local_part": "This address belongs to another account."})
        return self.cleaned_data

    def add(self, *, user: User, actor: User | None) -> Address:
        """Give the address to the user."""
        domain = self.cleaned_data["domain"]
        address = f"{self.cleaned_data['local_part']}@{domain.name}"
        added = services.add_address(user=user, address=address, now=timezone.now(), actor=actor)
        if self.cleaned_data["is_primary"]:
            services.save_profile(
                user=user, name=user.name, address=str(added), now=timezone.now(), actor=actor
            )
        return added


class NewDomainForm(DomainModelForm):
    """A domain by its name alone."""

    class Meta:
        model = Domain
        fields = ("name",)

    def clean_name(self) -> str:
        """Return the name as it is stored."""
        try:
            return parse_domain(self.cleaned_data["name"])
        except UserError as refusal:
            raise ValidationError(refusal.sentence) from None


class NewKeyForm(KeyModelForm):
    """One or two keys for a domain; all there is to say is whose they are."""

    kinds = forms.ChoiceField(
        label="Algorithm",
        choices=(
            ("both", "RSA and Ed25519: everybody can check one of them"),
            (Algorithm.RSA.value, "RSA only"),
            (Algorithm.ED25519.value, "Ed25519 only: many can't check it yet"),
        ),
    )
    selector = forms.CharField(
        required=False, max_length=63, help_text="Left empty, one is made up from the month."
    )

    class Meta:
        model = DkimKey
        fields = ("domain",)

    @property
    def _algorithms(self) -> tuple[Algorithm, ...]:
        wanted = self.cleaned_data["kinds"]
        return tuple(Algorithm) if wanted == "both" else (Algorithm(wanted),)

    def clean(self) -> dict[str, Any]:
        """See whether the selector can be had."""
        super().clean()
        if self.cleaned_data.get("domain") and self.cleaned_data.get("kinds"):
            try:
                dkim.selectors_for(
                    domain=self.cleaned_data["domain"],
                    algorithms=self._algorithms,
                    wanted=self.cleaned_data.get("selector", ""),
                    now=timezone.now(),
                )
            except UserError as refusal:
                raise ValidationError({"selector": refusal.sentence}) from None
        return self.cleaned_data

    def make(self, *, actor: User | None) -> list[DkimKey]:
        """Make the keys."""
        return dkim.add_keys(
            domain=self.cleaned_data["domain"],
            algorithms=self._algorithms,
            selector=self.cleaned_data["selector"],
            now=timezone.now(),
            actor=actor,
        )
