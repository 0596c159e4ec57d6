from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailweb.webmail.mime import charsets, headers, tree
from mailweb.webmail.mime.parse import ParsedMessage, parse, part


def message(*lines: str) -> bytes:
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


LETTER = message(
    "From: =?utf-8?q?J=C3=B6rg?= <joerg@plain.test>",
    "To: Alice <alice@mailweb.test>",
    "Subject: Lease",
    "Message-ID: <one@plain.test>",
    "In-Reply-To: <zero@mailweb.test>",
    "References: <minus-one@mailweb.test> <zero@mailweb.test>",
    "Date: Mon, 23 Nov 2026 10:00:00 +0100",
    "Content-Type: multipart/mixed; boundary=outer",
    "",
    "For old programs only.",
    "--outer",
    'Content-Type: multipart/related; boundary="in;ner"',
    "",
    "--in;ner",
    "Content-Type: multipart/alternative; boundary=alt",
    "",
    "--alt",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "Two sm=C3=A4ll cor=",
    "rections.",
    "--alt",
    "Content-Type: text/html",
    "",
    '<p>Two small corrections. <img src="cid:plan@x"></p>',
    "--alt--",
    "--in;ner",
    "Content-Type: image/png",
    "Content-ID: <plan@x>",
    "Content-Transfer-Encoding: base64",
    "",
    "aGVsbG8=",
    "--in;ner--",
    "--outer",
    "Content-Type: application/pdf",
    "Content-Disposition: attachment; filename*0*=utf-8''Schl%C3%BCssel; filename*1=\"-list.pdf\"",
    "",
    "%PDF",
    "--outer--",
    "Not part of it.",
)


def test_letter_is_read_whole():
    parsed = parse(LETTER)
    assert parsed.sender.as_pair() == ["Jörg", "joerg@plain.test"]
    assert [one.as_pair() for one in parsed.to] == [["Alice", "alice@mailweb.test"]]
    assert parsed.subject == "Lease"
    assert parsed.sent_at == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    assert parsed.message_id == "<one@plain.test>"
    assert parsed.in_reply_to == "<zero@mailweb.test>"
    assert parsed.references == ("<minus-one@mailweb.test>", "<zero@mailweb.test>")
    assert parsed.text == "Two smäll corrections."
    assert parsed.html.startswith("<p>Two small")
    assert parsed.snippet == "Two smäll corrections."


def test_inline_picture_is_no_file_but_the_attachment_is():
    parsed = parse(LETTER)
    picture, file = parsed.attachments
    assert (picture.path, picture.is_inline, picture.size_bytes) == ("1.2", True, 5)
    assert (file.path, file.name, file.is_inline) == ("2", "Schlüssel-list.pdf", False)
    assert parsed.files == (file,)


def test_part_is_found_by_its_path():
    found = part(LETTER, "1.2")
    assert found is not None
    assert (found.data, found.info.content_type) == (b"hello", "image/png")
    assert part(LETTER, "1") is None
    assert part(LETTER, "9") is None


def test_html_alone_gives_a_readable_text():
    parsed = parse(
        message(
            "Content-Type: text/html",
            "",
            "<style>p{}</style><p>Dear&nbsp;Alice,</p><p>the <b>second</b> firm<br>can start</p>",
        )
    )
    assert parsed.text == ""
    assert parsed.readable_text == "Dear Alice,\n\nthe second firm\ncan start"
    assert parsed.snippet == "Dear Alice, the second firm can start"


def test_text_after_an_attachment_is_part_of_the_text():
    parsed = parse(
        message(
            "Content-Type: multipart/mixed; boundary=b",
            "",
            "--b",
            "",
            "One.",
            "--b",
            "Content-Type: text/html",
            "",
            "<i>Two</i> &lt;3",
            "--b",
            "Content-Type: text/plain",
            "",
            "Three < four.",
            "--b--",
        )
    )
    assert parsed.text == "One.\n\nTwo <3\n\nThree < four."
    assert "<pre>Three &lt; four.</pre>" in parsed.html


def test_flowed_lines_are_joined_and_quotes_kept():
    parsed = parse(
        message(
            "Content-Type: text/plain; format=flowed",
            "",
            "> an old ",
            "> line",
            "a long ",
            "line",
            "-- ",
            "Alice",
        )
    )
    assert parsed.text == "> an old line\na long line\n-- \nAlice"


def test_list_mail_is_known_by_its_headers():
    parsed = parse(
        message(
            "List-Id: Garden <garden.plain.test>", "List-Post: <mailto:garden@plain.test>", "", ""
        )
    )
    assert parsed.is_list
    assert parsed.list_post == "garden@plain.test"


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("=?utf-8?b?w6Q=?= =?utf-8?b?w7Y=?=", "äö"),
        ("=?UTF-8*de?Q?gr=C3=BC=C3=9Fe?=", "grüße"),
        ("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?utf-8?q?a=C3?= =?utf-8?q?=A4b?=", "aäb"),
        ("=?nonsense?q?plain?=", "plain"),
        ("=?punycode?q?a-b?=", "a-b"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("not =?utf-8?q?ended", "not =?utf-8?q?ended"),
        ("bare\rreturn\r\n and\x00nul", "bare return and nul"),
        ("=?utf-8?q?Subject=0D=0ABcc:_eve=40evil.test?=", "Subject Bcc: eve@evil.test"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
    ],
)
def test_words_are_decoded_to_one_clean_line(raw, read):
    assert headers.decode_words(raw) == read


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="a;b.pdf"', "a;b.pdf"),
        ("attachment; filename=../../etc/passwd", "passwd"),
        ('attachment; filename="C:\\\\x\\\\y.exe"', "y.exe"),
        ('attachment; filename="=?utf-8?q?=E2=82=AC?=.pdf"', "€.pdf"),
        ("attachment; filename*=iso-8859-1'en'%A3.pdf", "£.pdf"),
        ("attachment; filename=.htaccess", "htaccess"),
        ("attachment", "part-1.bin"),
    ],
)
def test_file_names_are_names_only(value, name):
    raw = message("Content-Type: application/x-thing", f"Content-Disposition: {value}", "", "x")
    assert parse(raw).attachments[0].name == name


@pytest.mark.parametrize(
    ("data", "charset", "read"),
    [
        (b"\xe4", "iso-8859-1", "ä"),
        (b"\x80", "iso-8859-1", "€"),
        (b"\xe4", "", "ä"),
        (b"\xc3\xa4", "us-ascii", "ä"),
        (b"\xff\xfe", "utf-8", "ÿþ"),
        (b"ab", "unicode_escape", "ab"),
        (b"ab", "zlib", "ab"),
        (b"ab", "\x00", "ab"),
    ],
)
def test_bytes_become_text_whatever_the_charset_says(data, charset, read):
    assert charsets.decode(data, charset) == read


def test_depth_is_limited():
    raw = b""
    for level in range(100):
        raw += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
    leaf = next(tree.read(raw + b"\r\nHello").leaves())
    assert leaf.path.count(".") < tree.MAX_DEPTH
    assert parse(raw).text == ""


def test_number_of_parts_is_limited():
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000
    assert len(list(tree.read(raw).leaves())) < tree.MAX_PARTS


def test_long_body_is_cut_and_says_so():
    parsed = parse(b"\r\n" + b"word " * 1_000_000)
    assert parsed.is_cut
    assert len(parsed.text) < 2_200_000


def test_endless_header_ends():
    parsed = parse(b"Subject: " + b"a" * 5_000_000 + b"\r\nTo: x@y.test\r\n\r\nHello")
    assert len(parsed.subject) == 998
    assert parsed.text == "Hello"


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "Mon, 99 Nov 2026 99:00:00 +9999", "1 Jan 9999 00:00:00 +0000", "0" * 5000],
)
def test_unbelievable_date_is_none(date):
    assert parse(message(f"Date: {date}", "", "")).sent_at is None


FRAGMENTS = [
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b'Content-Type: multipart/alternative; boundary="b\r\n',
    b"Content-Type: text/html; charset=utf-7; format=flowed\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Disposition: attachment; filename*0*=x''%zz; filename*9999999=y\r\n",
    b'From: "a" <b@c>, (d(e)) f@g: h;, <<>>\r\n',
    b"Date: Sat, 31 Feb 2026 25:61:61 +99999\r\n",
    b"Subject: =?x?y?z?= =?utf-8?b?====?=\r\n",
    b"References: <a@b> <c\r\n",
    b"Message-ID: <\x00@\xff>\r\n",
    b"--b\r\n",
    b"--b--\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b">",
    b"<p>",
    b"=",
    b"\xff\x00",
    b"-- \r\n",
]


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(FRAGMENTS)).map(b"".join)))
@example(b"")
@example(b"\n")
@example(b"--")
@example(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b")
def test_no_bytes_can_make_it_fail(data):
    parsed = parse(data)
    assert isinstance(parsed, ParsedMessage)
    for line in (parsed.subject, parsed.snippet, parsed.message_id, parsed.sender.name):
        assert not set(line) & set("\r\n\x00")
    for attachment in parsed.attachments:
        assert attachment.name
        assert not set(attachment.name) & set("\r\n\x00/\\")
        assert part(data, attachment.path) is not None


@given(st.text(max_size=80))
def test_what_is_encoded_by_the_rules_is_read_back(text):
    clean = headers.one_line(text)
    encoded = clean.encode("utf-8", "replace").hex("=").upper()
    word = f"=?utf-8?q?={encoded}?=" if clean else ""
    assert headers.decode_words(word) == clean.encode("utf-8", "replace").decode()
