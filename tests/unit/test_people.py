from __future__ import annotations

import pytest

from mailweb.webmail import people


@pytest.mark.parametrize(
    ("name", "address", "shown"),
    [
        ("Mira Holt", "mira@requiretls.test", "Mira Holt"),
        ("", "mira@requiretls.test", "mira@requiretls.test"),
        ("bank@bank.test", "eve@evil.test", "eve@evil.test"),
        ("Unreadable", "", "Unreadable"),
        ("", "", "(no sender)"),
    ],
)
def test_a_name_that_looks_like_an_address_is_not_believed(name, address, shown):
    assert people.shown(name, address) == shown


def test_own_addresses_are_you():
    pairs = [["Alice", "Alice@mailweb.test"], ["", "bob@mailweb.test"], ["Odd"]]
    found = people.names(pairs, own=["alice@mailweb.test"])
    assert found == ["you", "bob@mailweb.test", "Odd"]


@pytest.mark.parametrize(
    ("names", "joined"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d", "e"], "a, b and 3 others"),
    ],
)
def test_names_are_joined_as_people_do(names, joined):
    assert people.joined(names) == joined


@pytest.mark.parametrize(
    ("name", "initials"),
    [("Mira Holt", "MH"), ("Bob", "B"), ("eve@evil.test", "E"), ("", "?"), ("(x) ?", "?")],
)
def test_initials_are_letters(name, initials):
    assert people.initials(name) == initials
