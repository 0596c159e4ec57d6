"""One recipient as typed, lists as pasted, and a sentence for everything that is neither."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailweb.lib import addresses
from mailweb.lib.addresses import InvalidAddressError, parse, split


@pytest.mark.parametrize(
    ("typed", "name", "spec"),
    [
        ("alice@x.test", "", "alice@x.test"),
        ("  alice@x.test\t", "", "alice@x.test"),
        ("<alice@x.test>", "", "alice@x.test"),
        ("Alice <alice@x.test>", "Alice", "alice@x.test"),
        ("Alice   B.  Office<alice@x.test>", "Alice B. Office", "alice@x.test"),
        ('"Office, Alice" <alice@x.test>', "Office, Alice", "alice@x.test"),
        (r'"Alice \"Al\" Office" <alice@x.test>', 'Alice "Al" Office', "alice@x.test"),
        ("alice@x.test <alice@x.test>", "alice@x.test", "alice@x.test"),
        ("ALICE@X.Test", "", "ALICE@x.test"),
        ("a.b+c=d/e{f}'!#$%&*?^_`|~-@x.test", "", "a.b+c=d/e{f}'!#$%&*?^_`|~-@x.test"),
        ('"john doe"@x.test', "", '"john doe"@x.test'),
        ('"alice"@x.test', "", "alice@x.test"),
        (r'"a\"b\\c@d"@x.test', "", r'"a\"b\\c@d"@x.test'),
        ('Alice <"<a>"@x.test>', "Alice", '"<a>"@x.test'),
        ("\u202aalice@x.test\u202c", "", "alice@x.test"),
        ("alice@r3---sn.x.test", "", "alice@r3---sn.x.test"),
    ],
)
def test_what_people_type_is_read(typed: str, name: str, spec: str):
    address = parse(typed)
    assert (address.name, address.spec) == (name, spec)


@pytest.mark.parametrize(
    ("typed", "domain_ascii", "domain_unicode"),
    [
        ("a@münchen.test", "xn--mnchen-3ya.test", "münchen.test"),
        ("a@MÜNCHEN.Test", "xn--mnchen-3ya.test", "münchen.test"),
        ("a@xn--mnchen-3ya.test", "xn--mnchen-3ya.test", "münchen.test"),
        ("a@XN--MNCHEN-3YA.test", "xn--mnchen-3ya.test", "münchen.test"),
        ("a@straße.test", "xn--strae-oqa.test", "straße.test"),
        ("a@例え。テスト", "xn--r8jz45g.xn--zckzah", "例え.テスト"),
    ],
)
def test_a_domain_in_any_script_has_both_its_forms(
    typed: str, domain_ascii: str, domain_unicode: str
):
    address = parse(typed)
    assert (address.domain_ascii, address.domain_unicode) == (domain_ascii, domain_unicode)
    assert not address.needs_smtputf8


def test_a_local_part_in_another_script_is_kept_and_marked():
    address = parse("Jüri <jüri@münchen.test>")
    assert address.needs_smtputf8
    assert address.spec == "jüri@xn--mnchen-3ya.test"
    assert address.shown == "jüri@münchen.test"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("alice", "no @"),
        ("@x.test", "before the @ is missing"),
        ("alice@", "after the @ is missing"),
        ("alice@@x.test", "more than one @"),
        ("alice@x.test bob@x.test", "more than one @"),
        ("Alice alice@x.test", "Alice <alice@x.test>"),
        ("alice@x", "not a complete domain"),
        ("alice@x..test", "a dot too many"),
        ("alice@x.test.", "a dot too many"),
        ("alice@.x.test", "a dot too many"),
        ("alice@-x.test", "not a domain name"),
        ("alice@x_y.test", "not a domain name"),
        ("alice@x y.test", "not a domain name"),
        ("alice@☃.test", "not a domain name"),
        ("alice@xn--a.test", "not a domain name"),
        ("alice@xn--.test", "not a domain name"),
        ("alice@" + "a" * 64 + ".test", "not a domain name"),
        ("alice@" + ".".join(["a" * 60] * 5) + ".test", "at most 253"),
        ("alice@192.0.2.1", "ends in a number"),
        ("alice@[192.0.2.1]", "IP address"),
        ("alice@[IPv6:2001:db8::1]", "IP address"),
        ("a" * 65 + "@x.test", "at most 64"),
        ("ü" * 33 + "@x.test", "at most 64"),
        ('"' + " " * 63 + '"@x.test', "at most 64"),
        ("a" * 64 + "@" + ".".join(["b" * 60] * 4), "at most 254"),
        (".alice@x.test", "a dot at the start"),
        ("alice.@x.test", "a dot at the start"),
        ("al..ice@x.test", "a dot at the start"),
        ("(alice)@x.test", "“(” can't be part"),
        ("team:alice@x.test", "“:” can't be part"),
        ("alice,bob@x.test", "“,” can't be part"),
        ('"alice@x.test', "not closed"),
        ('"alice"x.test', "no @ after the quotation mark"),
        ('""@x.test', "before the @ is missing"),
        ('"a\tb"@x.test', "can't be seen"),
        ("Alice <alice@x.test", "“>”"),
        ("<alice@x.test> Alice", "text after"),
        ("Alice <>", "no @"),
        ("N" * 201 + " <a@x.test>", "at most 200"),
        ("alice@x.test" * 100, "too long"),
        ("alice@x.test\r\nBcc: bob@x.test", "line break"),
        ("Alice\n <alice@x.test>", "line break"),
        ("ali\x00ce@x.test", "can't be seen"),
        ("ali\u200bce@x.test", "can't be seen"),
        ("Al\u202eice <alice@x.test>", "can't be seen"),
        ("ali\ud800ce@x.test", "can't be seen"),
    ],
)
def test_what_is_not_an_address_gets_one_sentence(typed: str, words: str):
    with pytest.raises(InvalidAddressError) as refusal:
        parse(typed)
    assert words in refusal.value.sentence
    assert refusal.value.sentence.endswith(".")
    assert len(refusal.value.sentence) < 160


def test_a_pasted_list_is_cut_outside_quotes_and_brackets():
    pasted = (
        'Alice <alice@x.test>, "Office, Bob; CEO" <bob@x.test>;\r\n'
        ' "a,b"@x.test\n\ncharlie@x.test , ,<"x,y"@x.test>'
    )
    assert split(pasted) == [
        "Alice <alice@x.test>",
        '"Office, Bob; CEO" <bob@x.test>',
        '"a,b"@x.test',
        "charlie@x.test",
        '<"x,y"@x.test>',
    ]


def test_a_forgotten_quotation_mark_spoils_its_own_line_only():
    assert split('"Alice <a@x.test>, b@x.test\nc@x.test') == [
        '"Alice <a@x.test>, b@x.test',
        "c@x.test",
    ]


def test_two_spellings_of_a_mailbox_have_one_key():
    assert parse("Alice <ALICE@Münch.test>").key == parse('"alice"@xn--mnch-0ra.test').key
    assert parse("alice@x.test").key != parse("alice@y.test").key


ATOMS = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-é例", min_size=1)
LABELS = st.from_regex(r"[a-z](?:[a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)


@given(st.lists(ATOMS, min_size=1, max_size=3), st.lists(LABELS, min_size=2, max_size=4))
def test_dot_atoms_at_domains_are_read_unless_too_long(atoms: list[str], labels: list[str]):
    local_part, domain = ".".join(atoms), ".".join(labels)
    if len(local_part.encode()) > addresses.MAX_LOCAL_OCTETS:
        with pytest.raises(InvalidAddressError):
            parse(f"{local_part}@{domain}")
    else:
        assert parse(f"{local_part}@{domain}").spec == f"{local_part}@{domain}"


@given(
    st.text(max_size=80) | st.text('"<>@,;\\ .ab\r\n\t', max_size=40).map(lambda t: t + "@x.test")
)
def test_any_text_is_read_or_refused_and_what_is_read_is_safe_on_the_wire(text: str):
    try:
        address = parse(text)
    except InvalidAddressError:
        return
    assert not set(address.spec + address.name) & set("\r\n\0")
    assert len(address.spec.encode()) <= addresses.MAX_ADDRESS_OCTETS
    assert address.domain_ascii.isascii()
    assert address.domain_ascii == address.domain_ascii.lower()
    assert parse(address.text) == address
    assert parse(address.spec).key == address.key
    assert split(address.text) == [address.text]


@given(st.lists(st.sampled_from(["a@x.test", '"D, A" <a@x.test>', "A B <b@y.test>", "nonsense"])))
def test_a_list_joined_by_commas_comes_apart_again(entries: list[str]):
    assert split(", ".join(entries)) == entries
    assert split("\n".join(entries)) == entries


@given(st.text(max_size=120))
def test_cutting_a_list_never_fails_and_never_leaves_a_line_end(text: str):
    for piece in split(text):
        assert piece
        assert not set(piece) & set("\r\n")
