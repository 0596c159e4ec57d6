"""The examples of RFC 6376 §3.4, and what they leave open."""

from __future__ import annotations

import pytest

from delivery.dkim import Form, canonical
from delivery.dkim.canonical import Field

PRINTED = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"


def header(message: bytes, form: Form) -> list[bytes]:
    return [canonical.header_field(each.raw, form) for each in canonical.split(message)[0]]


def test_the_printed_example_in_relaxed_form():
    assert header(PRINTED, Form.RELAXED) == [b"a:X", b"b:Y Z"]
    assert canonical.body(canonical.split(PRINTED)[1], Form.RELAXED) == b" C\r\nD E\r\n"


def test_the_printed_example_in_simple_form():
    assert header(PRINTED, Form.SIMPLE) == [b"A: X", b"B : Y\t\r\n\tZ  "]
    assert canonical.body(canonical.split(PRINTED)[1], Form.SIMPLE) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n\r\n"])
def test_an_empty_body(body: bytes):
    assert canonical.body(body, Form.SIMPLE) == b"\r\n"
    assert canonical.body(body, Form.RELAXED) == b""


@pytest.mark.parametrize(
    ("body", "relaxed"),
    [
        (b"a", b"a\r\n"),
        (b"a ", b"a\r\n"),
        (b"a \t \r\n \t\r\n", b"a\r\n"),
        (b"a" + b" " * 1000 + b"b\r\n", b"a b\r\n"),
        (b"a\x0b \x0c\r\n", b"a\x0b \x0c\r\n"),
        (b"a\r\n\r\n\n\r\n\r\n", b"a\r\n\r\n\n\r\n"),
        (b"a\r\r\n", b"a\r\r\n"),
    ],
)
def test_white_space_is_space_and_tab_and_empty_lines_are_crlf(body: bytes, relaxed: bytes):
    assert canonical.body(body, Form.RELAXED) == relaxed


@pytest.mark.parametrize(
    ("message", "fields", "body"),
    [
        (b"", [], b""),
        (b"\r\nbody\r\n", [], b"body\r\n"),
        (b"A: 1\r\n\r\n\r\nbody", [Field(b"a", b"A: 1")], b"\r\nbody"),
        (b"A: 1", [Field(b"a", b"A: 1")], b""),
        (b"A: 1\r\n", [Field(b"a", b"A: 1")], b""),
        (b"A:\r\n 1\r\n\t2\r\nb:", [Field(b"a", b"A:\r\n 1\r\n\t2"), Field(b"b", b"b:")], b""),
        (b" folded\r\nno colon\r\n: no name\r\nA: 1\r\n\r\n", [Field(b"a", b"A: 1")], b""),
    ],
)
def test_a_message_is_cut_into_fields_and_body(message: bytes, fields: list[Field], body: bytes):
    assert canonical.split(message) == (fields, body)
