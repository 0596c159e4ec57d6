from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from delivery.smtp import LocalProtocolError
from delivery.smtp.content import ContentReader, ContentWriter, Intake, LineEndings
from tests.unit.smtp.pieces import cut, octets

lines = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a.", b"abc", b"\xff."]), max_size=8)
contents = lines.map(lambda found: b"".join(line + b"\r\n" for line in found))
dangerous = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a"]), max_size=16).map(b"".join)


def write(pieces: list[bytes]) -> bytes:
    writer = ContentWriter()
    return b"".join([writer.feed(piece) for piece in pieces]) + writer.finish()


def read(pieces: list[bytes]) -> tuple[bytes, bytes, bool]:
    """Return the content in `pieces`, the rest, and whether the end was seen."""
    reader = ContentReader()
    content, rest = b"", b""
    for piece in pieces:
        if reader.is_done:
            rest += piece
        else:
            found, rest = reader.feed(piece)
            content += found
    return content, rest, reader.is_done


def stuff_line_by_line(content: bytes) -> bytes:
    """Do it the slow way, as RFC 5321 §4.5.2 tells it."""
    stuffed = [b"." + line if line.startswith(b".") else line for line in content.split(b"\r\n")]
    return b"\r\n".join(stuffed) + b".\r\n"


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b".a\r\n..\r\n", b"..a\r\n...\r\n.\r\n"),
        (b"a.\r\n", b"a.\r\n.\r\n"),
        (b"\r\n\r\n", b"\r\n\r\n.\r\n"),
    ],
)
def test_dot_at_the_start_of_a_line_is_doubled(content, wire):
    assert write([content]) == wire
    assert write(octets(content)) == wire


@given(contents, st.data())
def test_writing_does_not_depend_on_the_pieces(content, data):
    assert write(data.draw(cut(content))) == stuff_line_by_line(content)


@given(contents, st.binary(max_size=5), st.data())
def test_what_is_written_is_read_back_in_any_pieces(content, rest, data):
    wire = write([content]) + rest
    assert read(data.draw(cut(wire))) == (content, rest, True)


@pytest.mark.parametrize(
    "content", [b"a\nb\r\n", b"\na\r\n", b"a\rb\r\n", b"\r\r\n", b"\n\r\n", b"a\r\n\n.\r\n"]
)
def test_lone_cr_or_lf_is_not_written(content):
    with pytest.raises(LocalProtocolError, match="alone"):
        write([content])
    with pytest.raises(LocalProtocolError, match="alone"):
        write(octets(content))


@pytest.mark.parametrize("content", [b"a", b"a\r", b"a\r\nb", b"."])
def test_content_without_a_last_line_end_is_not_finished(content):
    with pytest.raises(LocalProtocolError, match="CRLF"):
        write([content])


@pytest.mark.parametrize(
    "trick", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n.\x00\r\n"]
)
def test_only_crlf_dot_crlf_ends_content(trick):
    smuggled = b"a" + trick + b"MAIL FROM:<bob@mailweb.test>\r\n"
    for pieces in ([smuggled + b".\r\n"], octets(smuggled + b".\r\n")):
        content, rest, is_done = read(pieces)
        assert is_done
        assert rest == b""
        assert content.endswith(b"MAIL FROM:<bob@mailweb.test>\r\n")


def test_dot_as_the_very_first_line_ends_content():
    assert read([b".\r\nQUIT\r\n"]) == (b"", b"QUIT\r\n", True)
    assert read(octets(b".\r\n")) == (b"", b"", True)


@given(dangerous, st.data())
@example(b"\r\n.\r\r\n.\r\n", None)
def test_reading_does_not_depend_on_the_pieces(wire, data):
    pieces = octets(wire) if data is None else data.draw(cut(wire))
    whole, rest, is_done = read([wire])
    content, other_rest, other_is_done = read(pieces)
    assert is_done == other_is_done
    if is_done:
        assert (content, other_rest) == (whole, rest)
    else:
        assert content == whole


@given(dangerous)
def test_reading_agrees_with_the_slow_way(wire):
    framed = b"\r\n" + wire
    end = framed.find(b"\r\n.\r\n")
    content, rest, is_done = read([wire])
    assert is_done == (end >= 0)
    if is_done:
        assert rest == framed[end + 5 :]
        assert b"\r\n" + content == framed[: end + 2].replace(b"\r\n.", b"\r\n")


@given(dangerous, st.data())
@example(b"", None)
def test_line_endings_are_clean_exactly_if_nothing_is_left_without_crlf(content, data):
    endings = LineEndings()
    for piece in [b""] if data is None else data.draw(cut(content)):
        endings.feed(piece)
    endings.finish()
    left = content.replace(b"\r\n", b"")
    assert endings.is_clean == (b"\r" not in left and b"\n" not in left)


def test_intake_counts_what_it_throws_away():
    intake = Intake(limit=4)
    intake.expect_dot()
    assert intake.take(bytearray(b"abc\r\n")) == b"abc"
    buffer = bytearray(b"defg\r\n.\r\nQUIT\r\n")
    assert intake.take(buffer) == b""
    assert buffer == b"QUIT\r\n"
    assert intake.size == 11
    assert intake.is_too_large
    assert intake.is_done


def test_intake_takes_only_what_was_announced():
    intake = Intake()
    intake.expect(3)
    buffer = bytearray(b"a\r")
    assert (intake.take(buffer), intake.is_done) == (b"a\r", False)
    buffer += b"\nNOOP"
    assert (intake.take(buffer), intake.is_done) == (b"\n", True)
    intake.finish()
    assert buffer == b"NOOP"
    assert intake.is_clean
    assert not intake.is_too_large


def test_intake_notices_a_cr_that_ends_the_message():
    intake = Intake()
    intake.expect(2)
    intake.take(bytearray(b"a\r"))
    assert intake.is_clean
    intake.finish()
    assert not intake.is_clean
