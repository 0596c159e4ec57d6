from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.smtp import EnhancedCode, LocalProtocolError, RemoteProtocolError, Reply, ReplyParser
from delivery.smtp.limits import MAX_REPLY, MAX_REPLY_LINE
from tests.unit.smtp.pieces import cut


def parse(*chunks: bytes) -> list[Reply]:
    parser = ReplyParser()
    replies = []
    for chunk in chunks:
        parser.receive_data(chunk)
        while (reply := parser.next_reply()) is not None:
            replies.append(reply)
    return replies


def test_reply_of_one_line():
    assert parse(b"250 Ok\r\n") == [Reply(250, None, ("Ok",))]


def test_reply_of_several_lines():
    assert parse(b"250-mx.dane.test\r\n250-SIZE 1000\r\n250 DSN\r\n") == [
        Reply(250, None, ("mx.dane.test", "SIZE 1000", "DSN"))
    ]


@pytest.mark.parametrize("line", [b"354\r\n", b"354 \r\n", b"354\n", b"354 \n"])
def test_text_may_be_missing_and_lf_may_end_a_line(line):
    assert parse(line) == [Reply(354)]


def test_incomplete_reply_waits_for_more():
    assert parse(b"250-one\r\n250 tw") == []


def test_enhanced_code_is_taken_out_of_the_text():
    (reply,) = parse(b"550-5.1.1 no such\r\n550 5.1.1 mailbox\r\n")
    assert reply == Reply(550, EnhancedCode(5, 1, 1), ("no such", "mailbox"))
    assert reply.text == "no such\nmailbox"
    assert reply.whole == "550-5.1.1 no such\n550 5.1.1 mailbox"
    assert str(reply) == reply.whole


def test_enhanced_code_of_another_class_is_text():
    (reply,) = parse(b"250 5.1.1 odd\r\n")
    assert reply == Reply(250, None, ("5.1.1 odd",))
    assert reply.text == "5.1.1 odd"


@pytest.mark.parametrize(
    "wire",
    [
        b"550-see below\r\n550 5.1.1 no mailbox\r\n",
        b"550-5.1.1 no mailbox\r\n550-\r\n550 5.7.1 nor would you be welcome\r\n",
        b"550 5.1.1 5.1.1 twice\r\n",
        b"550 5.1.1 5.1.1\r\n",
        b"550 5.01.1 zero\r\n",
    ],
)
def test_irregular_enhanced_codes_are_understood_and_kept_as_they_came(wire):
    (reply,) = parse(wire)
    assert reply.enhanced == EnhancedCode(5, 1, 1)
    assert reply.to_bytes() == wire


def test_text_leaves_out_an_enhanced_code_that_is_not_on_every_line():
    (reply,) = parse(b"550-see below\r\n550 5.1.1 no mailbox\r\n")
    assert reply.text == "see below\nno mailbox"


def test_lone_enhanced_code_leaves_no_text():
    (reply,) = parse(b"250 2.1.5\r\n")
    assert (reply.enhanced, reply.text) == (EnhancedCode(2, 1, 5), "")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (299, "is_positive"),
        (399, "is_intermediate"),
        (499, "is_transient"),
        (599, "is_permanent"),
    ],
)
def test_unknown_code_counts_as_its_class(code, kind):
    (reply,) = parse(b"%d hm\r\n" % code)
    kinds = ("is_positive", "is_intermediate", "is_transient", "is_permanent")
    assert [name for name in kinds if getattr(reply, name)] == [kind]


def test_text_is_decoded_leniently_and_without_controls():
    (reply,) = parse(b"550 \xff caf\xc3\xa9 \x00\x1b[31m \t bare\rcr\r\n")
    assert reply.text == "\ufffd caf\u00e9 \ufffd\ufffd[31m \t bare\ufffdcr"


@pytest.mark.parametrize(
    "wire",
    [
        b"hello\r\n",
        b"25 short\r\n",
        b"2500 long\r\n",
        b"150 preliminary\r\n",
        b"650 beyond\r\n",
        b"250_odd\r\n",
        b"\r\n",
        b"\xb2\xb5\xb0 x\r\n",
        b"250-one\r\n\r\n",
        b"250-one\r\n550 two\r\n",
    ],
)
def test_what_is_no_reply_is_refused(wire):
    with pytest.raises(RemoteProtocolError):
        parse(wire)


def test_long_line_is_refused_even_before_it_ends():
    with pytest.raises(RemoteProtocolError, match="line"):
        parse(b"250 " + b"x" * MAX_REPLY_LINE)


def test_line_of_the_longest_size_is_read():
    (reply,) = parse(b"250 " + b"x" * (MAX_REPLY_LINE - 6) + b"\r\n")
    assert len(reply.to_bytes()) == MAX_REPLY_LINE


def test_endless_reply_is_refused():
    with pytest.raises(RemoteProtocolError, match="too many"):
        parse(*[b"250-and another thing\r\n" * 100] * (MAX_REPLY // 1000))


def test_unread_counts_everything_after_the_last_whole_reply():
    parser = ReplyParser()
    parser.receive_data(b"250 one\r\n250-two\r\n25")
    parser.next_reply()
    assert parser.unread == len(b"250-two\r\n25")
    assert parser.next_reply() is None
    assert parser.unread > 0


@pytest.mark.parametrize("code", [0, 199, 600])
def test_reply_with_a_code_smtp_does_not_have_cannot_be_made(code):
    with pytest.raises(LocalProtocolError):
        Reply(code)


@pytest.mark.parametrize("lines", [(), ("a\r\nb",), ("a\n",), ("\0",)])
def test_reply_with_lines_that_break_cannot_be_made(lines):
    with pytest.raises(LocalProtocolError):
        Reply(250, None, lines)


def test_challenge_goes_there_and_back():
    challenge = Reply.challenge(b"\x00who\xff")
    assert challenge.code == 334
    (received,) = parse(challenge.to_bytes())
    assert received.decode_challenge() == b"\x00who\xff"


def test_empty_challenge_is_an_empty_line():
    assert Reply.challenge(b"").to_bytes() == b"334 \r\n"
    assert Reply(334).decode_challenge() == b""


@pytest.mark.parametrize("lines", [("?",), ("YQ",), ("YQ==", "YQ=="), ("\u00e9",)])
def test_challenge_that_is_not_base64_is_refused_with_the_reply(lines):
    with pytest.raises(RemoteProtocolError) as caught:
        Reply(334, None, lines).decode_challenge()
    assert caught.value.reply == Reply(334, None, lines)


def test_enhanced_code_parses_only_at_the_beginning():
    assert EnhancedCode.parse("4.7.0 later") == EnhancedCode(4, 7, 0)
    assert EnhancedCode.parse("see 4.7.0") is None
    assert EnhancedCode.parse("3.0.0 no") is None
    assert str(EnhancedCode(5, 7, 30)) == "5.7.30"


text = st.text(st.characters(min_codepoint=32, exclude_categories=["C"]), max_size=30)
codes = st.integers(200, 599)
enhanced_codes = st.builds(
    EnhancedCode, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999)
)


@given(st.lists(st.tuples(codes, st.lists(text, min_size=1, max_size=4)), max_size=5), st.data())
def test_replies_survive_the_wire_in_any_pieces(replies, data):
    sent = [Reply(code, None, tuple(lines)) for code, lines in replies]
    wire = b"".join(reply.to_bytes() for reply in sent)
    received = parse(*data.draw(cut(wire)))
    assert [reply.to_bytes() for reply in received] == [reply.to_bytes() for reply in sent]
    assert [reply.code for reply in received] == [reply.code for reply in sent]


@given(enhanced_codes, st.lists(text, min_size=1, max_size=4))
def test_enhanced_code_survives_the_wire(enhanced, lines):
    sent = Reply(enhanced.class_ * 100, enhanced, tuple(lines))
    (received,) = parse(sent.to_bytes())
    assert (received.enhanced, received.whole) == (enhanced, sent.whole)
