from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailweb.webmail.mime.addresslist import parse


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("", []),
        ("alice@mailweb.test", [["", "alice@mailweb.test"]]),
        ("Alice <alice@mailweb.test>", [["Alice", "alice@mailweb.test"]]),
        ('"Adams, Alice" <alice@mailweb.test>', [["Adams, Alice", "alice@mailweb.test"]]),
        ('"A \\"quoted\\" name" <a@b.test>', [['A "quoted" name', "a@b.test"]]),
        ("a@b.test (Alice), c@d.test", [["Alice", "a@b.test"], ["", "c@d.test"]]),
        ("Friends: a@b.test, C <c@d.test>;", [["", "a@b.test"], ["C", "c@d.test"]]),
        ("undisclosed-recipients:;", []),
        ('"odd one"@b.test', [["", '"odd one"@b.test']]),
        ("=?utf-8?q?J=C3=B6rg?= <j@b.test>", [["Jörg", "j@b.test"]]),
        ("jörg@bücher.test", [["", "jörg@bücher.test"]]),
    ],
)
def test_addresses_are_read(value, pairs):
    assert [found.as_pair() for found in parse(value)] == pairs


@pytest.mark.parametrize(
    "value",
    [
        "alice@example.org)bob@evil.test",
        "alice@example.org <eve@evil.test> <bob@b.test>",
        "<alice@example.org> eve@evil.test",
        "alice@example.org@evil.test",
        "<alice@example.org\\@evil.test>",
        "alice @example.org",
        "(alice@example.org)",
        '"alice@example.org',
        "<alice@example.org",
        "nobody",
    ],
)
def test_doubtful_address_is_shown_but_not_used(value):
    found = parse(value)
    assert len(found) == 1
    assert found[0].address == ""
    assert found[0].name


def test_name_that_looks_like_an_address_stays_a_name():
    found = parse('"alice@mailweb.test" <eve@evil.test>')
    assert found[0].as_pair() == ["alice@mailweb.test", "eve@evil.test"]


@given(st.text(alphabet='ab@.<>()[]",;:\\ \r\n\x00=?', max_size=60))
def test_whatever_comes_out_as_an_address_is_one(value):
    for found in parse(value):
        assert not set(found.name + found.address) & set("\r\n\x00")
        if found.address:
            assert found.address in value
            assert found.address.count("@") == 1
            assert not set(found.address.partition("@")[0].strip('"')) & set("<>,;")
