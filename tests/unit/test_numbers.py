"""Small numbers are words, large ones figures."""

from __future__ import annotations

import pytest

from mailweb.lib.numbers import spelled


@pytest.mark.parametrize(
    ("number", "words"), [(0, "no"), (1, "one"), (10, "ten"), (11, "11"), (2000, "2,000")]
)
def test_numbers_are_said_as_in_a_sentence(number: int, words: str):
    assert spelled(number) == words
