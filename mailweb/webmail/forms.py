"""The shape of what a draft's form posts. It takes everything that can be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from delivery.policy.modes import Mode
from mailweb.lib import addresses
from mailweb.lib.choices import choices_of
from mailweb.webmail.composing import Written

if TYPE_CHECKING:
    from uuid import UUID

MAX_ENTRIES = 10_000
_ENTRY_CHARACTERS = addresses.MAX_TEXT_CHARACTERS + 1


class TypedText(forms.CharField):
    """Text as it was typed: spaces kept, nothing refused; only NULs go, which no database holds."""

    def __init__(self) -> None:
        super().__init__(required=False, strip=False)

    def to_python(self, value: Any) -> str:
        """Return the text without NULs."""
        return (super().to_python(value) or "").replace("\0", "")


class TypedList(forms.Field):
    """A field that is posted as often as it has values."""

    widget = forms.MultipleHiddenInput

    def __init__(self) -> None:
        super().__init__(required=False)

    def to_python(self, value: Any) -> tuple[str, ...]:
        """Return the values without NULs."""
        return tuple(str(each).replace("\0", "") for each in value or ())


class TypedAddresses(TypedList):
    """Recipients: one value a chip, and what stands in the text field; one entry a recipient."""

    def to_python(self, value: Any) -> tuple[str, ...]:
        """Return what was typed, cut into entries."""
        entries = addresses.split("\n".join(super().to_python(value)))
        return tuple(entry[:_ENTRY_CHARACTERS] for entry in entries[:MAX_ENTRIES])


class DraftForm(forms.Form):
    """A draft as written, and what a button asked to change in it.

    `shown` is the mode that was marked as chosen; another one was picked by hand. `remove` names
    a chip as "field:entry", `copy` one copy's mode as "mode:key".
    """

    sender = TypedText()
    to = TypedAddresses()
    cc = TypedAddresses()
    bcc = TypedAddresses()
    subject = TypedText()
    body = TypedText()
    mode = forms.ChoiceField(choices=choices_of(Mode), required=False)
    shown = forms.ChoiceField(choices=choices_of(Mode), required=False)
    by_hand = forms.BooleanField(required=False)
    auto = forms.BooleanField(required=False)
    tells_delivery = forms.BooleanField(required=False)
    version = forms.IntegerField(min_value=0, required=False)
    page = TypedText()
    force = forms.BooleanField(required=False)
    reply_to = forms.UUIDField(required=False)
    forward_of = forms.UUIDField(required=False)
    keep = TypedList()
    remove = TypedText()
    later = TypedText()
    send_at = TypedText()
    copy = TypedList()

    @property
    def written(self) -> Written:
        """What the form says; what makes no sense in it is as if it were not there."""
        said = self.cleaned_data
        chosen = Mode(said.get("mode") or Mode.DEFAULT)
        is_by_hand = said["by_hand"] or chosen != (said.get("shown") or chosen)
        return Written(
            sender=said["sender"],
            to=self._left("to"),
            cc=self._left("cc"),
            bcc=self._left("bcc"),
            subject=said["subject"],
            body=said["body"].replace("\r\n", "\n").replace("\r", "\n"),
            mode=chosen,
            mode_is_by_hand=is_by_hand and not said["auto"],
            tells_delivery=said["tells_delivery"],
            version=said.get("version") or 0,
            page=said["page"],
        )

    @property
    def copy_modes(self) -> dict[str, Mode | None]:
        """The copies whose mode was picked, by key; None goes back to the message's mode."""
        chosen: dict[str, Mode | None] = {}
        for pick in self.cleaned_data["copy"]:
            mode, _, key = pick.partition(":")
            if mode in list(Mode) or mode == "auto":
                chosen[key] = None if mode == "auto" else Mode(mode)
        return chosen

    def origin(self, name: str) -> UUID | None:
        """Return the message that is answered or passed on, if the draft begins with one."""
        found: UUID | None = self.cleaned_data.get(name)
        return found

    def _left(self, name: str) -> tuple[str, ...]:
        """Return a field's recipients without the one whose chip was removed."""
        entries: list[str] = list(self.cleaned_data[name])
        field, _, entry = self.cleaned_data["remove"].partition(":")
        if field == name and entry in entries:
            entries.remove(entry)
        return tuple(entries)
