"""Kinds of waits, for those who count them."""

from __future__ import annotations

import pytest

from delivery.policy.reasons import Reason
from delivery.policy.why import NOT_TRIED, key_of, words_for


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (
            {"reason": "certificate-expired", "enhanced": "4.7.5", "code": 451},
            "certificate-expired",
        ),
        ({"reason": "", "enhanced": "4.4.1", "code": 451}, "4.4.1"),
        ({"reason": "", "enhanced": "", "code": 450}, "450"),
        ({"reason": "", "enhanced": "", "code": None}, NOT_TRIED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_most_telling_comes_first(given, key):
    assert key_of(**given) == key


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("4.4.1", "The server does not answer (4.4.1)"),
        ("4.2.2", "The mailbox can't take mail now (4.2.2)"),
        ("4.9.9", "The server put it off (4.9.9)"),
        ("450", "The server put it off (450)"),
        ("certificate-expired", "The certificate is out of date"),
        (NOT_TRIED, "Not tried yet"),
    ],
)
def test_each_kind_has_plain_words(key, words):
    assert words_for(key) == words


@pytest.mark.parametrize("reason", [one for one in Reason if one])
def test_no_reason_of_tls_is_without_words(reason):
    assert "put it off" not in words_for(reason.value)
