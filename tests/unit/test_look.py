from __future__ import annotations

import re

import pytest
from django import forms
from django.template.loader import render_to_string

from mailweb.lib.parts import STATES, sample_parts
from mailweb.lib.templatetags.look import control, control_kind


class Form(forms.Form):
    name = forms.CharField(help_text="Recipients see it.")
    text = forms.CharField(widget=forms.Textarea(attrs={"class": "tall"}), required=False)
    place = forms.ChoiceField(choices=[("here", "Here")], required=False)
    sure = forms.BooleanField(required=False)
    way = forms.ChoiceField(choices=[("a", "A")], widget=forms.RadioSelect, required=False)


def field(name: str, data: dict[str, str] | None = None) -> str:
    return render_to_string("components/field.html", {"field": Form(data)[name]})


@pytest.mark.parametrize(
    ("name", "kind", "classes"),
    [
        ("name", "text", "input"),
        ("text", "area", "input input--area tall"),
        ("place", "select", "input input--select"),
        ("sure", "tick", "tick-box"),
        ("way", "radios", "mode-radio"),
    ],
)
def test_a_control_wears_the_class_of_its_kind(name: str, kind: str, classes: str):
    bound = Form()[name]
    assert control_kind(bound) == kind
    assert f'class="{classes}"' in control(bound)


def test_a_hint_describes_its_control():
    page = field("name")
    assert 'aria-describedby="id_name_hint"' in page
    assert 'id="id_name_hint">Recipients see it.<' in page


def test_an_error_takes_the_place_of_the_hint_and_what_was_typed_stays():
    page = field("name", {"name": ""})
    assert 'aria-describedby="id_name_error"' in page
    assert 'aria-invalid="true"' in page
    assert "This field is required." in page
    assert "Recipients see it." not in page


def test_optional_fields_say_so_and_required_ones_do_not():
    assert ">optional<" in field("place")
    assert ">optional<" not in field("name")


def test_compact_bars_are_one_picture_with_all_words():
    page = render_to_string("components/bars.html", {"row": sample_parts()["domain"]})
    assert page.count('role="img"') == 1
    assert "harbour.test: STARTTLS yes, old, MTA-STS no answer" in page
    assert page.count("<use ") == 5


def test_each_full_bar_is_a_button_that_opens_its_own_card():
    page = render_to_string(
        "components/facts.html", {"row": sample_parts()["domain"], "kind": "facts"}
    )
    opens = re.findall(r'popovertarget="([^"]+)"', page)
    cards = re.findall(r'class="pop" id="([^"]+)" popover', page)
    assert opens == cards
    assert len(set(opens)) == 5


def test_every_state_has_a_small_and_a_tall_drawing():
    sprite = render_to_string("components/sprite.html")
    for shape, _, _ in STATES:
        assert f'<symbol id="b-{shape}"' in sprite
        assert f'<symbol id="tall-{shape}"' in sprite


def test_a_toast_posts_what_undoes_it():
    page = render_to_string("components/toast.html", {"text": "Moved.", "post": "/mail/undo/x/"})
    assert 'formaction="/mail/undo/x/"' in page
    assert ">Undo<" in page


@pytest.mark.parametrize("code", ["400", "403", "404", "500"])
def test_an_error_page_needs_nothing_and_leads_back(code: str):
    page = render_to_string(f"{code}.html")
    assert '<h1 class="h1">' in page
    assert 'href="/"' in page


def test_no_drawing_and_no_page_carries_a_style_of_its_own():
    for name in ("components/sprite.html", "404.html"):
        page = render_to_string(name)
        assert " style=" not in page
        assert "<style" not in page
