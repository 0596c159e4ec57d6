from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.names import (
    BadAddressError,
    BadDomainError,
    display_domain,
    parse_address,
    parse_domain,
)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("mailweb.test", "mailweb.test"),
        (" Mailweb.TEST. ", "mailweb.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("BÜCHER.test", "xn--bcher-kva.test"),
        ("xn--bcher-kva.test", "xn--bcher-kva.test"),
    ],
)
def test_domains_are_stored_as_lower_case_a_labels(typed, stored):
    assert parse_domain(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ".",
        "localhost",
        "a..test",
        "-a.test",
        "under_score.test",
        "192.0.2.1",
        "a b.test",
        "[::1]",
        "x" * 64 + ".test",
    ],
)
def test_what_is_no_domain_is_refused_with_a_sentence(typed):
    with pytest.raises(BadDomainError) as refusal:
        parse_domain(typed)
    assert refusal.value.sentence == "Enter a domain name, such as mailweb.test."


def test_a_domain_is_shown_with_its_own_letters():
    assert display_domain("xn--bcher-kva.test") == "bücher.test"
    assert display_domain("xn--broken-.test") == "xn--broken-.test"


def test_addresses_are_stored_in_lower_case():
    assert str(parse_address(" Alice.B@Mailweb.Test ")) == "alice.b@mailweb.test"
    assert str(parse_address("jürgen@bücher.test")) == "jürgen@xn--bcher-kva.test"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "alice",
        "@mailweb.test",
        "a b@mailweb.test",
        ".a@mailweb.test",
        "a..b@mailweb.test",
        '"a b"@mailweb.test',
        "a\r\n@mailweb.test",
        "ä" * 33 + "@mailweb.test",
        "a\u2028b@mailweb.test",
    ],
)
def test_what_is_no_plain_address_is_refused(typed):
    with pytest.raises(BadAddressError):
        parse_address(typed)


@given(st.text(max_size=80))
def test_a_stored_address_is_its_own_stored_form(typed):
    try:
        stored = str(parse_address(typed))
    except (BadAddressError, BadDomainError):
        return
    assert str(parse_address(stored)) == stored
