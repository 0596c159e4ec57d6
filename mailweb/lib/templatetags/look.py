"""Form controls in our own look: the class of a widget, and which words describe it."""

from __future__ import annotations

from django import template
from django.forms import BoundField, widgets
from django.utils.safestring import SafeString

register = template.Library()

# First match wins: a Select is no Input, a CheckboxInput is one.
_KINDS: tuple[tuple[type[widgets.Widget], str, str], ...] = (
    (widgets.RadioSelect, "radios", "mode-radio"),
    (widgets.CheckboxSelectMultiple, "ticks", "tick-box"),
    (widgets.CheckboxInput, "tick", "tick-box"),
    (widgets.Select, "select", "input input--select"),
    (widgets.Textarea, "area", "input input--area"),
)


def _kind(field: BoundField) -> tuple[str, str]:
    for widget, kind, classes in _KINDS:
        if isinstance(field.field.widget, widget):
            return kind, classes
    return "text", "input"


@register.filter
def control_kind(field: BoundField) -> str:
    """Say what sort of control the field is: text, area, select, tick, ticks or radios."""
    return _kind(field)[0]


@register.filter
def control(field: BoundField) -> SafeString:
    """Render the control of `field` with our classes, described by its error or else by its hint."""
    own = str(field.field.widget.attrs.get("class", ""))
    attrs: dict[str, str | bool] = {"class": f"{_kind(field)[1]} {own}".strip()}
    if field.errors:
        attrs["aria-describedby"] = f"{field.auto_id}_error"
    elif field.help_text:
        attrs["aria-describedby"] = f"{field.auto_id}_hint"
    return field.as_widget(attrs=attrs)
