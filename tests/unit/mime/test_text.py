from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailweb.webmail.mime import text


def shape(value: str) -> list[tuple[int, str]]:
    return [
        (block.depth, "".join(piece.text for piece in block.pieces)) for block in text.blocks(value)
    ]


def test_paragraphs_quotes_and_signature_are_told_apart():
    blocks = text.blocks("Yes.\nSure.\n\n> old\n>> older\n\nBye\n-- \nAlice")
    assert [(block.depth, block.is_signature) for block in blocks] == [
        (0, False),
        (1, False),
        (2, False),
        (0, False),
        (0, True),
    ]
    assert shape("Yes.\n\n\nSure.\nOf course.\n> a\n>\n> b") == [
        (0, "Yes."),
        (0, "Sure.\nOf course."),
        (1, "a"),
        (1, "b"),
    ]


@pytest.mark.parametrize(
    ("value", "links"),
    [
        ("See https://plain.test/a?b=c.", ["https://plain.test/a?b=c"]),
        ("(http://plain.test/x_(y))", ["http://plain.test/x_(y)"]),
        ("<https://plain.test/>", ["https://plain.test/"]),
        ("www.plain.test, really", ["https://www.plain.test"]),
        ("mailto:bob@plain.test", ["mailto:bob@plain.test"]),
        ("javascript:alert(1) ftp://x data:text/html,x", []),
        ('https://a.test/"onclick="x', ["https://a.test/"]),
    ],
)
def test_only_links_to_the_web_and_to_addresses_are_found(value, links):
    assert [piece.href for piece in text.pieces(value) if piece.href] == links


@given(st.text(max_size=200))
def test_no_text_is_lost_between_links(value):
    assert "".join(piece.text for piece in text.pieces(value)) == value


def test_snippet_has_only_what_is_new():
    value = "Hello,\n\n> you wrote\n> this\nyes  indeed\n-- \nAlice"
    assert text.snippet(value) == "Hello, yes indeed"


def test_long_snippet_ends_with_a_sign_that_it_does():
    found = text.snippet("word " * 100, limit=20)
    assert len(found) <= 20
    assert found.endswith("…")


def test_flowed_text_loses_only_the_spaces_it_says():
    assert text.unflowed("a \nb", del_space=True) == "ab"
    assert text.unflowed("a \nb\n-- \nc", del_space=False) == "a b\n-- \nc"
    assert text.unflowed("> a \n>> b\nc", del_space=False) == "> a \n>> b\nc"
