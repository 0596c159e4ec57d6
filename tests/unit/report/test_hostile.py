"""Whatever a server, a sender or DNS wrote: a report stays a report."""

from __future__ import annotations

import email
from dataclasses import replace

import pytest
from flufl.bounce import all_failures
from hypothesis import example, given
from hypothesis import strategies as st

from delivery.report import build
from delivery.report.escaping import LONGEST_WORD, comment, field, in_ascii, one_line
from tests.unit.report.cases import FAILED, about, fields, parts, read, readable, unfolded

OPENED = {"(": 1, ")": -1}
HOSTILE = [
    pytest.param("550 5.1.1 a) (b \\) ((c", id="parentheses"),
    pytest.param("550 5.1.1 kein Empfänger, 见鬼", id="eight bits"),
    pytest.param(
        "550 5.1.1 a\r\n\r\nBcc: eve@evil.test\r\n\r\nFinal-Recipient: rfc822; x@y", id="CRLF"
    ),
    pytest.param("550 5.1.1 a\rAction: delivered\nAction: x", id="bare CR and LF"),
    pytest.param("550 5.1.1 " + 10_000 * "x", id="one word of 10,000 octets"),
    pytest.param("550 5.1.1 " + 5_000 * "x ", id="a line of 10,000 octets"),
    pytest.param("550 5.1.1 " + 10_000 * "ü", id="10,000 letters outside ASCII"),
    pytest.param("550 5.1.1 a\x00\x1b[31m\x7fb\u202ec", id="controls"),
    pytest.param("550 5.1.1 --=_failed.1--", id="boundary"),
    pytest.param("550-\n550-  \n550 ", id="nothing"),
    pytest.param("550 5.1.1 \ud800", id="half a character"),
]


def depth_of(text: str) -> list[int]:
    """Return how deep in parentheses each unescaped one leads (RFC 5322 §3.2.2)."""
    depths, depth, is_quoted = [], 0, False
    for character in text:
        if not is_quoted and character in OPENED:
            depth += OPENED[character]
            depths.append(depth)
        is_quoted = character == "\\" and not is_quoted
    return depths


@pytest.mark.parametrize("is_international", [False, True])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_reply_stays_within_its_field(text, is_international):
    odd = replace(FAILED, reply=text, explanation=text, server=text, server_address=text)
    report = about(odd, FAILED, is_international=is_international)
    data = build(report)
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    message = email.message_from_bytes(data)
    assert message["Bcc"] is None
    if is_international:
        return
    assert data.isascii()
    about_message, first, second = fields(report)
    assert first["Action"] == second["Action"] == "failed"
    assert len(first.keys()) == len(set(first.keys()))
    assert first["Final-Recipient"] == "rfc822; post@harbour.test"
    assert "Bcc" not in about_message
    assert all_failures(message)[1] == {b"post@harbour.test"}


@pytest.mark.parametrize("text", HOSTILE)
def test_comment_of_the_status_closes_where_it_should(text):
    (_, one) = fields(about(replace(FAILED, explanation=text)))
    status, _, rest = unfolded(one["Status"]).partition(" ")
    assert status == "5.1.1"
    assert depth_of(rest) == [1, 0]


@pytest.mark.parametrize("text", ["a\r\nBcc: eve@evil.test", "ä\r\n\r\nbody", "\x00", "<a> <b>"])
def test_nothing_that_a_sender_wrote_becomes_a_header(text):
    report = about(
        replace(FAILED, address=text, domain=text, orcpt=f"rfc822;{text}"),
        subject=text,
        original_id=text,
        to=text,
        envid=text,
    )
    message = read(report)
    assert set(message.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
        "Auto-Submitted", "MIME-Version", "Content-Transfer-Encoding", "Content-Type",
    }  # fmt: skip
    assert len(parts(message)) == 3
    assert len(fields(report)) == 2


def test_many_long_replies_share_what_one_report_can_quote():
    long = replace(FAILED, reply="\n".join(["550-" + 1000 * "x"] * 60 + ["550 end"]))
    report = about(*[replace(long, address=f"a{n}@x.test") for n in range(500)], total=500)
    assert len(build(report)) < 8 * 1024 * 1024
    assert len(fields(report)) == 501


def test_every_line_of_a_long_reply_is_readable():
    lines = [f"550-5.7.1 rule {n}" for n in range(200)] + ["550 5.7.1 end"]
    text = readable(about(replace(FAILED, reply="\n".join(lines))))
    assert [line for line in lines if f"    {line}\n" not in text] == []


# Escaping


@given(st.text())
@example("\\")
@example(")(" * 200)
def test_comment_is_one_comment_and_unquotes_to_what_was_said(text):
    found = comment(text, limit=10_000)
    assert (found[0], found[-1]) == ("(", ")")
    assert depth_of(found) == [1, 0]
    inner = iter(found[1:-1])
    plain = "".join(next(inner) if one == "\\" else one for one in inner)
    assert plain == one_line(text)


@given(st.text(), st.integers(min_value=4, max_value=50))
def test_long_comment_is_cut_before_it_is_quoted(text, limit):
    assert depth_of(comment(text, limit=limit)) == [1, 0]


@given(st.text())
def test_one_line_is_visible_and_ascii_is_ascii(text):
    assert one_line(text).isprintable()
    assert in_ascii(text).isascii()
    assert len(in_ascii(text)) == len(one_line(text))


WORDS = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=300)


@given(st.lists(st.text(alphabet=" aÄ漢(\t\r\n", max_size=400), max_size=4))
@example([" " * 200 + "x"])
@example(["x" * 80 + " " * 200 + "y"])
@example(["x" + " " * 75 + "y" + " " * 75 + "z"])
def test_field_folds_without_an_empty_line_and_unfolds_to_what_it_was(lines):
    folded = field("Diagnostic-Code", *lines)
    said = [line for line in map(one_line, lines) if line]
    if not said:
        assert folded == ""
        return
    body, end = folded[:-2], folded[-2:]
    assert end == "\r\n"
    assert all(line.strip(" ") for line in body.split("\r\n"))
    assert all(line.startswith(" ") for line in body.split("\r\n")[1:])
    assert body.replace("\r\n", "") == f"Diagnostic-Code: {' '.join(said)}"


@given(st.lists(WORDS, min_size=1, max_size=30))
def test_lines_are_usual_wherever_there_is_a_space_to_fold_at(words):
    longest = max(len(word.encode()) for word in words)
    folded = field("Status", " ".join(words))
    for line in folded.encode().split(b"\r\n"):
        assert len(line) <= max(78, longest + len("Status: ") + 1)


@given(st.integers(min_value=LONGEST_WORD, max_value=5000), st.sampled_from("xü漢"))
def test_word_without_end_is_cut(length, letter):
    folded = field("Status", letter * length)
    assert max(len(line) for line in folded.encode().split(b"\r\n")) <= 998
    assert folded.replace("\r\n ", "").replace("\r\n", "") == f"Status: {letter * length}"
