"""The shape of what lists and messages post."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms

from mailweb.webmail.models import Mailbox

if TYPE_CHECKING:
    from accounts.models import User

MOST_KEYS = 500


class Change(StrEnum):
    """What can be done with several messages at once, beside moving them."""

    SEEN = "seen"
    UNSEEN = "unseen"
    FLAG = "flag"
    UNFLAG = "unflag"
    DELETE = "delete"


class KeysField(forms.MultipleChoiceField):
    """The keys of the chosen messages; whose they are is not for a form to decide."""

    def valid_value(self, value: str) -> bool:
        """Tell whether `value` is a key at all."""
        try:
            UUID(value)
        except ValueError:
            return False
        return True

    def clean(self, value: Any) -> list[UUID]:
        """Return the keys."""
        return [UUID(key) for key in super().clean(value)[:MOST_KEYS]]


class MoveForm(forms.Form):
    """Where one message goes."""

    to = forms.ModelChoiceField(Mailbox.objects.none(), to_field_name="slug")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Mailbox.objects.filter(user=user)
        self.fields["to"] = forms.ModelChoiceField(own, to_field_name="slug")


class ChangeForm(forms.Form):
    """What is done with the chosen messages: one of the changes, or a move."""

    message = KeysField()
    change = forms.ChoiceField(choices=[(c.value, c.value) for c in Change], required=False)
    to = forms.ModelChoiceField(Mailbox.objects.none(), to_field_name="slug", required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Mailbox.objects.filter(user=user)
        self.fields["to"] = forms.ModelChoiceField(own, to_field_name="slug", required=False)

    def clean(self) -> dict[str, Any]:
        """Ask for exactly one thing to do."""
        cleaned = super().clean() or {}
        if bool(cleaned.get("change")) == bool(cleaned.get("to")):
            raise forms.ValidationError("Choose what to do with the messages.")
        return cleaned
