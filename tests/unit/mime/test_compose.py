"""The bytes that leave say what was written, and nothing can be smuggled into their header."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailweb.lib import addresses
from mailweb.lib.addresses import Address
from mailweb.webmail.mime.compose import (
    File,
    Letter,
    UnwritableHeaderError,
    build,
    clean_file_name,
    size_on_the_wire,
)
from mailweb.webmail.mime.flowed import flow

NOW = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)
ALICE = addresses.parse("Alice <alice@mailweb.test>")
BOB = addresses.parse("bob@mailweb.test")


def a_letter(**changes) -> Letter:
    fields: dict[str, Any] = {
        "sender": ALICE,
        "to": (BOB,),
        "date": NOW,
        "message_id": "<1@mailweb.test>",
        "subject": "Lease",
        "body": "Hello.",
    }
    return Letter(**(fields | changes))


def read(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


def text_of(part: EmailMessage) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def header_of(data: bytes) -> bytes:
    return data.partition(b"\r\n\r\n")[0]


def test_a_simple_letter_has_every_field_it_needs():
    message = read(build(a_letter()))
    assert message["Date"].datetime == NOW
    assert str(message["From"]) == "Alice <alice@mailweb.test>"
    assert str(message["To"]) == "bob@mailweb.test"
    assert message["Message-ID"] == "<1@mailweb.test>"
    assert message["Subject"] == "Lease"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "text/plain"
    assert text_of(message) == "Hello.\n"
    assert not message.defects


def test_lines_end_in_crlf_and_are_seven_bit():
    data = build(a_letter(subject="Schöne Grüße", body="Grüße\naus München\r\nund\rBonn"))
    assert data.isascii()
    assert data.count(b"\n") == data.count(b"\r\n")
    assert data.replace(b"\r\n", b"").count(b"\r") == 0
    assert text_of(read(data)) == "Grüße\naus München\nund\nBonn\n"


def test_the_date_keeps_the_zone_it_was_given():
    here = NOW.astimezone(timezone(timedelta(hours=1)))
    assert b"Date: Sun, 22 Nov 2026 11:42:00 +0100\r\n" in build(a_letter(date=here))


def test_an_answer_names_what_it_answers():
    ids = tuple(f"<{'x' * 60}{number}@mailweb.test>" for number in range(20))
    message = read(build(a_letter(in_reply_to=ids[-1], references=ids)))
    assert message["In-Reply-To"] == ids[-1]
    assert message["References"].split() == list(ids)


def test_a_letter_to_nobody_by_name_says_so():
    assert b"To: undisclosed-recipients:;\r\n" in build(a_letter(to=()))
    only_cc = build(a_letter(to=(), cc=(BOB,)))
    assert b"undisclosed" not in only_cc
    assert b"Cc: bob@mailweb.test\r\n" in only_cc


@pytest.mark.parametrize("ending", ["\r\nBcc: charlie@x.test", "\n", "\r", "\0", "\u2028", "\x7f"])
@pytest.mark.parametrize("where", ["subject", "message_id", "in_reply_to", "references", "name"])
def test_a_control_character_never_reaches_a_header(where: str, ending: str):
    bad = f"words{ending}"
    changes: dict[str, object] = {where: (bad,) if where == "references" else bad}
    if where == "name":
        address = Address(
            name=bad, local_part="bob", domain_ascii="x.test", domain_unicode="x.test"
        )
        changes = {"to": (address,)}
    with pytest.raises(UnwritableHeaderError):
        build(a_letter(**changes))


def test_five_hundred_recipients_fit_lines_that_every_server_takes():
    people = tuple(
        addresses.parse(f'"Office, Nr {n}" <person{n}@dömäne{n}.test>') for n in range(500)
    )
    data = build(a_letter(to=people))
    assert max(map(len, data.split(b"\r\n"))) <= 78
    assert [one.addr_spec for one in read(data)["To"].addresses] == [one.spec for one in people]
    assert {one.display_name for one in read(data)["To"].addresses} == {one.name for one in people}


def test_a_local_part_in_another_script_stands_in_the_header_as_utf8():
    data = build(a_letter(to=(addresses.parse("Jüri <jüri@münchen.test>"),)))
    assert "<jüri@xn--mnchen-3ya.test>".encode() in header_of(data)


def test_files_come_after_the_text_and_come_back_the_same():
    data = bytes(range(256)) * 100
    files = (
        File(name="Übersicht.pdf", content_type="application/pdf", data=data),
        File(name="mail.eml", content_type="message/rfc822", data=b"Subject: x\r\n\r\ny"),
        File(
            name="notes.txt", content_type="text/plain; charset=latin-1", data="ä".encode("latin-1")
        ),
        File(name="odd", content_type="not a type\r\nX: y", data=b""),
    )
    message = read(build(a_letter(files=files)))
    text, *parts = message.iter_parts()
    assert message.get_content_type() == "multipart/mixed"
    assert text_of(text) == "Hello.\n"
    assert [part.get_filename() for part in parts] == [file.name for file in files]
    assert [part.get_content_disposition() for part in parts] == ["attachment"] * 4
    assert [part.get_payload(decode=True) for part in parts] == [file.data for file in files]
    assert [part.get_content_type() for part in parts] == [
        "application/pdf",
        "application/octet-stream",
        "text/plain",
        "application/octet-stream",
    ]


def test_a_file_takes_the_foreseen_room():
    file = File(name="a", content_type="application/pdf", data=b"x" * 100_000)
    added = len(build(a_letter(files=(file,)))) - len(build(a_letter()))
    assert size_on_the_wire(100_000) <= added <= size_on_the_wire(100_000) + 700


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("lease.pdf", "lease.pdf"),
        ("C:\\Users\\alice\\lease.pdf", "lease.pdf"),
        ("../../etc/passwd", "passwd"),
        ("a\r\nb.pdf", "a  b.pdf"),
        ("..", "attachment"),
        ("", "attachment"),
        ("x" * 300, "x" * 200),
    ],
)
def test_file_names_are_harmless(name: str, cleaned: str):
    assert clean_file_name(name) == cleaned


def decoded(data: bytes, field: str) -> str:
    # The library's newer reader puts spaces between encoded words, against RFC 2047 §6.2.
    raw = message_from_bytes(data)[field] or ""
    return str(make_header(decode_header(raw.replace("\r\n", ""))))


NAMES = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=120)


@given(st.lists(NAMES, min_size=1, max_size=8), NAMES)
def test_any_name_and_subject_come_back_as_they_were(names: list[str], subject: str):
    people = tuple(
        Address(
            name=" ".join(name.split()),
            local_part=f"p{number}",
            domain_ascii="x.test",
            domain_unicode="x.test",
        )
        for number, name in enumerate(names)
    )
    data = build(a_letter(to=people, subject=subject))
    assert header_of(data).isascii()
    assert max(map(len, header_of(data).split(b"\r\n"))) <= 250
    message = read(data)
    assert [one.addr_spec for one in message["To"].addresses] == [one.spec for one in people]
    assert decoded(data, "Subject") == subject
    for person in people:
        written = decoded(build(a_letter(to=(person,))), "To")
        name = written.removesuffix(f"<{person.spec}>").removesuffix(person.spec).strip()
        if name.startswith('"') and name.endswith('"') and person.name.isascii():
            name = re.sub(r"\\(.)", r"\1", name[1:-1])
        assert name == person.name


def unflow(text: str) -> str:
    lines: list[str] = []
    goes_on = False
    for raw in text.removesuffix("\n").split("\n"):
        line = raw.removeprefix(" ") if raw[:1] == " " else raw
        if goes_on:
            lines[-1] += line.lstrip("> ") if lines[-1].startswith(">") else line
        else:
            lines.append(line)
        goes_on = raw.endswith(" ") and raw != "-- "
    return "\n".join(lines)


def test_long_lines_are_cut_into_flowed_ones():
    paragraph = "word " * 60 + "end"
    lines = flow(paragraph).splitlines()
    assert all(line.endswith(" ") for line in lines[:-1])
    assert max(map(len, lines)) <= 73
    assert unflow(flow(paragraph)) == paragraph


def test_quotes_and_signature_survive_the_flow():
    text = "> > " + "old words " * 20 + "\n>\nFrom here\n> \n-- \nAlice"
    flowed = flow(text)
    assert all(line.startswith(">> ") for line in flowed.splitlines()[:3])
    assert flowed.endswith("\n>\n From here\n>\n-- \nAlice\n")


@given(st.text("ab \n>F", max_size=400))
def test_flowed_text_reads_back_but_for_spaces_at_line_ends(text: str):
    plain = "\n".join(
        line.rstrip(" ") for line in text.rstrip().split("\n") if not line.startswith(">")
    ).rstrip()
    assert unflow(flow(plain)) == plain
