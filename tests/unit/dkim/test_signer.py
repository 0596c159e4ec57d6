from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.dkim import Form, Identity, Signer
from delivery.dkim.selection import MOST_OF_A_KIND
from tests.unit.dkim.oracle import BOTH, DOMAIN, ED25519, IDENTITIES, RSA, records, verified

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HEADER = (
    b"From: Alice <alice@mailweb.test>\r\nTo: bob@x.test\r\nSubject: Hello\r\n"
    b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@mailweb.test>\r\n"
)
MESSAGE = HEADER + b"\r\nHello.\r\n"
GOOD = [True, True]


def signed(message: bytes, signer: Signer = BOTH, at: datetime = NOW) -> bytes:
    return signer.signatures(message, at=at) + message


def tags(message: bytes) -> list[dict[str, str]]:
    """Return the tags of each signature, without white space."""
    fields = re.findall(rb"DKIM-Signature:((?:[^\r]|\r\n[ \t])*)", message)
    return [
        dict(part.split("=", 1) for part in re.sub(r"\s", "", field.decode()).split(";"))
        for field in fields
    ]


def test_a_message_has_a_signature_of_each_key():
    rsa, ed25519 = tags(signed(MESSAGE))
    assert (rsa["a"], rsa["s"], rsa["d"]) == ("rsa-sha256", "r", DOMAIN)
    assert (ed25519["a"], ed25519["s"]) == ("ed25519-sha256", "e")
    assert (rsa["c"], rsa["t"]) == ("relaxed/relaxed", str(int(NOW.timestamp())))
    assert rsa["bh"] == ed25519["bh"]
    assert "l" not in rsa
    assert verified(signed(MESSAGE)) == GOOD


@pytest.mark.parametrize("header_form", Form)
@pytest.mark.parametrize("body_form", Form)
def test_each_canonical_form_verifies(header_form: Form, body_form: Form):
    signer = Signer(DOMAIN, IDENTITIES, header_form=header_form, body_form=body_form)
    message = HEADER + b"X-Odd:  a \t b\r\n\tc \r\n\r\n two  words \t\r\n\r\n end\r\n\r\n\r\n"
    assert tags(signed(message, signer))[0]["c"] == f"{header_form}/{body_form}"
    assert verified(signed(message, signer)) == GOOD


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\r\n", id="one empty line"),
        pytest.param(b"\r\n\r\n\r\n", id="empty lines"),
        pytest.param(b" \t\r\n  \r\n", id="only spaces"),
        pytest.param(b"last line without an end", id="no end"),
        pytest.param(b".\r\n..\r\n.dot\r\n", id="dots"),
        pytest.param("Grüße\r\n".encode(), id="8 bits"),
        pytest.param(b"\x00\xff\x0b\x0c\r\n", id="binary"),
        pytest.param(b"a" * 100_000 + b"\r\n", id="long line"),
    ],
)
@pytest.mark.parametrize("form", Form)
def test_odd_bodies_verify(body: bytes, form: Form):
    signer = Signer(DOMAIN, IDENTITIES, body_form=form)
    assert verified(signed(HEADER + b"\r\n" + body, signer)) == GOOD


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(HEADER, id="no body, no empty line"),
        pytest.param(
            HEADER + b"Subject: again\r\nTo: a@x.test\r\nTo: b@x.test\r\n\r\nx\r\n", id="repeated"
        ),
        pytest.param(HEADER + b"To: bob@x.test\r\n" * 300 + b"\r\nx\r\n", id="repeated 300 times"),
        pytest.param(
            HEADER + b"References: " + b"<1@x.test>\r\n " * 5000 + b"\r\n\r\nx\r\n", id="huge"
        ),
        pytest.param("Subject: Grüße\r\n".encode() + HEADER + b"\r\nx\r\n", id="8-bit header"),
        pytest.param(
            b"FROM: alice@mailweb.test\r\nTO:bob@x.test\r\nCc:\r\n\r\nx\r\n", id="odd spelling"
        ),
    ],
)
def test_odd_headers_verify(message: bytes):
    assert verified(signed(message)) == GOOD


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"no field\r\n\r\nbody\r\n",
        b" folded\r\n\r\n",
        b"a\rb\nc",
        b":\r\n\r\n",
        HEADER + b"bare\rand\n\r\nx\n",
    ],
)
def test_what_is_no_message_is_signed_without_a_crash(message: bytes):
    assert BOTH.signatures(message, at=NOW).count(b"DKIM-Signature:") == 2


def test_fields_are_listed_as_often_as_they_occur_and_sealed_ones_once_more():
    covered = tags(
        signed(HEADER + b"To: c@x.test\r\nList-Id: <l.x.test>\r\nX-Mine: 1\r\n\r\nx\r\n")
    )[0]["h"]
    names = covered.split(":")
    assert [names.count(each) for each in ("from", "to", "reply-to", "cc")] == [2, 3, 1, 1]
    assert [names.count(each) for each in ("list-id", "sender", "x-mine")] == [1, 0, 0]
    assert names.count("tls-required") == 1


def test_a_field_that_occurs_hundreds_of_times_does_not_fill_the_signature():
    covered = tags(signed(HEADER + b"To: bob@x.test\r\n" * 300 + b"\r\nx\r\n"))[0]["h"]
    assert covered.split(":").count("to") == MOST_OF_A_KIND


@pytest.mark.parametrize(
    "added",
    [
        b"From: mallory@x.test\r\n",
        b"Reply-To: mallory@x.test\r\n",
        b"Subject: other\r\n",
        b"To: carol@x.test\r\n",
        b"Cc: carol@x.test\r\n",
        b"Content-Type: text/html\r\n",
        b"TLS-Required: No\r\n",
    ],
)
def test_a_sealed_field_that_is_added_breaks_the_signature(added: bytes):
    assert verified(added + signed(MESSAGE)) == [False, False]


def test_what_lists_and_relays_add_does_not_break_it():
    added = b"Received: from a by b\r\nList-Id: <l.x.test>\r\nSender: list@x.test\r\nX-Spam: no\r\n"
    assert verified(added + signed(MESSAGE)) == GOOD


def test_a_changed_body_breaks_it_and_other_white_space_does_not():
    wire = signed(HEADER + b"\r\ntwo words\r\n")
    assert verified(wire.replace(b"two words", b"two  words ")) == GOOD
    assert verified(wire.replace(b"two words", b"two swords")) == [False, False]
    assert verified(wire + b"more\r\n") == [False, False]


def test_tls_required_is_covered():
    wire = signed(b"TLS-Required: No\r\n" + MESSAGE)
    assert tags(wire)[0]["h"].split(":").count("tls-required") == 2
    assert verified(wire) == GOOD
    assert verified(wire.replace(b"TLS-Required: No\r\n", b"")) == [False, False]


def test_a_signature_expires_only_if_that_is_asked_for():
    assert "x" not in tags(signed(MESSAGE))[0]
    signer = Signer(DOMAIN, IDENTITIES, expires_after=timedelta(days=7))
    now = datetime.now(UTC)
    assert tags(signed(MESSAGE, signer, now))[0]["x"] == str(int(now.timestamp()) + 604_800)
    assert verified(signed(MESSAGE, signer, now)) == GOOD
    assert verified(signed(MESSAGE, signer, now - timedelta(days=8))) == [False, False]


def test_a_domain_in_another_script_is_signed_as_a_labels():
    domain = "xn--bcher-kva.test"
    wire = signed("From: älice@bücher.test\r\n\r\nGrüße\r\n".encode(), Signer(domain, IDENTITIES))
    assert tags(wire)[0]["d"] == domain
    assert verified(wire, records(domain)) == GOOD


@pytest.mark.parametrize("domain", ["bücher.test", "", "a.test; l=0", "a.test\r\nBcc: x", "a b"])
def test_a_name_that_does_not_belong_into_the_field_is_refused(domain: str):
    with pytest.raises(ValueError, match="A-labels"):
        Signer(domain, IDENTITIES)
    with pytest.raises(ValueError, match="A-labels"):
        Signer(DOMAIN, [Identity(selector=domain, key=RSA)])


@given(label=st.from_regex(r"[a-z0-9]{1,63}(\.[a-z0-9]{1,63}){0,2}", fullmatch=True))
def test_lines_are_short_unless_a_name_is_long(label: str):
    signer = Signer(label, IDENTITIES)
    lines = signer.signatures(MESSAGE, at=NOW).decode("ascii").split("\r\n")
    assert lines.pop() == ""
    assert all(len(line) <= max(78, len(label) + 4) for line in lines)
    assert all(line.startswith(("DKIM-Signature: ", " ")) and line.strip() for line in lines)


NAMES = st.sampled_from(
    [
        "From",
        "To",
        "Cc",
        "Subject",
        "Reply-To",
        "References",
        "List-Id",
        "Received",
        "X-Other",
        "sUBJECT",
    ]
)
VALUES = st.text(st.sampled_from("ab:;=,<>@\"' \tü漢."), max_size=40).map(
    lambda text: text.strip() or "x"
)
FOLDED = st.lists(VALUES, min_size=1, max_size=3).map("\r\n ".join)
FIELDS = st.lists(st.tuples(NAMES, FOLDED), max_size=12)
LINES = st.lists(st.text(st.sampled_from("ab. \tü\x0b="), max_size=20), max_size=12)
ED_ONLY = tuple(each for each in IDENTITIES if each.key is ED25519)


@given(
    fields=FIELDS, lines=LINES, header_form=st.sampled_from(Form), body_form=st.sampled_from(Form)
)
def test_any_message_verifies_elsewhere(
    fields: list[tuple[str, str]], lines: list[str], header_form: Form, body_form: Form
):
    header = "From: alice@mailweb.test\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in fields
    )
    message = f"{header}\r\n" + "".join(f"{line}\r\n" for line in lines)
    signer = Signer(DOMAIN, ED_ONLY, header_form=header_form, body_form=body_form)
    assert verified(signed(message.encode(), signer)) == [True]


@given(message=st.binary(max_size=400))
def test_any_octets_can_be_signed(message: bytes):
    wire = Signer(DOMAIN, ED_ONLY).signatures(message, at=NOW)
    assert wire.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256; ")
    assert wire.endswith(b"\r\n")
