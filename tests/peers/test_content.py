from __future__ import annotations

import email
import email.message
import email.policy
from datetime import UTC, datetime

import pytest

from delivery.agent.content import CannotDowngradeError, Content, downgraded, has_header
from delivery.agent.job import ContentSigner, Job
from delivery.policy.modes import Mode, Order, PledgeKind
from tests.unit.dkim.oracle import BOTH, verified

PLAIN = b"From: alice@mailweb.test\r\nSubject: x\r\n\r\nhi\r\n"


def content(
    data: bytes,
    mode: Mode = Mode.DEFAULT,
    pledge: PledgeKind | None = None,
    sign: ContentSigner | None = None,
) -> Content:
    order = Order(mode=mode, pledge=pledge)
    return Content(
        Job(mail_from="", domain="d.test", recipients=(), order=order, content=data, sign=sign)
    )


def text_part(text: str, charset: str = "utf-8") -> bytes:
    head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return head.encode() + text.encode(charset)


def test_content_goes_as_it_is():
    assert content(PLAIN).data == PLAIN


def test_last_line_is_ended():
    assert content(PLAIN.rstrip()).data == PLAIN


def test_tls_optional_adds_the_header_once():
    added = content(PLAIN, Mode.OPTIONAL).data
    assert added == b"TLS-Required: No\r\n" + PLAIN
    assert content(added, Mode.OPTIONAL).data == added


def test_header_is_not_looked_for_in_the_body():
    data = b"Subject: x\r\n\r\nTLS-Required: No\r\n"
    assert content(data, Mode.OPTIONAL).data.startswith(b"TLS-Required: No\r\nSubject")


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.VERIFIED, Mode.REQUIRETLS])
def test_other_modes_add_no_header(mode: Mode):
    assert content(PLAIN, mode).data == PLAIN


def test_pledge_of_verified_tls_keeps_the_header_away():
    assert content(PLAIN, Mode.OPTIONAL, PledgeKind.VERIFIED).data == PLAIN


@pytest.mark.parametrize(
    ("data", "has"),
    [
        (b"TLS-Required: No\r\n\r\n", True),
        (b"Subject: x\r\ntls-REQUIRED: no\r\n\r\n", True),
        (b"Subject: tls-required: no\r\n\r\n", False),
        (b"X-TLS-Required: No\r\n\r\n", False),
    ],
)
def test_header_is_found_whatever_its_case(data: bytes, has: bool):
    assert has_header(data, b"tls-required") is has


def test_seven_bit_content_is_not_touched():
    assert content(PLAIN).seven_bit is content(PLAIN).seven_bit or content(PLAIN).seven_bit == PLAIN


def _read(data: bytes) -> email.message.EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message


def _text(part: email.message.MIMEPart) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_text_becomes_quoted_printable_and_reads_the_same(charset: str):
    data = b"Subject: x\r\nMIME-Version: 1.0\r\n" + text_part(
        "Grüße\r\n.\r\nEnde = gut\r\n", charset
    )
    encoded = downgraded(data)
    assert encoded.isascii()
    assert _text(_read(encoded)) == "Grüße\n.\nEnde = gut\n"
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in encoded


def test_every_line_still_ends_with_crlf_and_fits():
    data = b"Subject: x\r\nMIME-Version: 1.0\r\n" + text_part(
        "ü" * 3000 + "\r\n" + "a" * 900 + "\r\n"
    )
    lines = downgraded(data).split(b"\r\n")
    assert all(b"\n" not in line and b"\r" not in line and len(line) <= 998 for line in lines)


def test_parts_are_encoded_one_by_one_and_the_rest_is_left_alone():
    data = (
        b"Subject: x\r\nX-Odd: two  spaces  and\r\n\tfolding\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n'
        b"Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--b\r\n"
        + text_part("Grüße\r\n")
        + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nas it was\r\n\r\n--b\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        b"\xff\xfe\xfd\r\n--b--\r\nepilogue\r\n"
    )
    encoded = downgraded(data)
    assert encoded.isascii()
    assert b"X-Odd: two  spaces  and\r\n\tfolding\r\n" in encoded
    assert b"Content-Type: text/plain\r\n\r\nas it was\r\n" in encoded
    one, two, three = _read(encoded).iter_parts()
    assert _text(one) == "Grüße\n"
    assert two.get_content().strip() == "as it was"
    assert three.get_content() == b"\xff\xfe\xfd"
    assert _read(encoded)["Content-Transfer-Encoding"] == "7bit"


def test_forwarded_message_is_encoded_within():
    inner = b"Subject: inner\r\nMIME-Version: 1.0\r\n" + text_part("Grüße\r\n")
    data = (
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + inner
    )
    encoded = downgraded(data)
    assert encoded.isascii()
    forwarded = _read(encoded).get_content()
    assert forwarded["Subject"] == "inner"
    assert _text(forwarded) == "Grüße\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param("Subject: Grüße\r\n\r\nhi\r\n".encode(), "header", id="8-bit header"),
        pytest.param(
            b"DKIM-Signature: v=1\r\nMIME-Version: 1.0\r\n" + text_part("Grüße\r\n"),
            "DKIM",
            id="DKIM signature",
        ),
        pytest.param(
            b'MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\n'
            + text_part("Grüße\r\n")
            + b"\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n",
            "signature",
            id="signed part",
        ),
    ],
)
def test_content_that_would_be_damaged_is_not_encoded(data: bytes, words: str):
    with pytest.raises(CannotDowngradeError, match=words):
        downgraded(data)


class Signing:
    """Signs, and remembers what."""

    keys = ("r (RSA)", "e (Ed25519)")

    def __init__(self) -> None:
        self.signed: list[bytes] = []

    def __call__(self, data: bytes) -> bytes:
        self.signed.append(data)
        return BOTH.signatures(data, at=datetime(2026, 11, 20, tzinfo=UTC))


EIGHT_BIT = b"From: alice@mailweb.test\r\nMIME-Version: 1.0\r\n" + text_part("Grüße\r\n.\r\n")


def test_the_octets_that_are_sent_are_the_octets_that_are_signed():
    made = content(EIGHT_BIT, sign=Signing())
    assert made.data.endswith(EIGHT_BIT)
    assert made.seven_bit.isascii()
    assert verified(made.data) == verified(made.seven_bit) == [True, True]


def test_each_form_is_signed_once_and_only_if_it_is_needed():
    signing = Signing()
    made = content(EIGHT_BIT, sign=signing)
    assert signing.signed == []
    assert made.seven_bit is made.seven_bit
    assert signing.signed == [downgraded(EIGHT_BIT)]
    assert made.data is made.data
    assert signing.signed == [downgraded(EIGHT_BIT), EIGHT_BIT]


def test_seven_bit_content_is_signed_once_for_both_kinds_of_servers():
    signing = Signing()
    made = content(PLAIN, sign=signing)
    assert made.seven_bit is made.data
    assert signing.signed == [PLAIN]


def test_the_header_that_is_added_is_signed():
    made = content(PLAIN, Mode.OPTIONAL, sign=Signing())
    assert b"TLS-Required: No\r\nFrom:" in made.data
    assert verified(made.data) == [True, True]
    assert verified(made.data.replace(b"TLS-Required: No\r\n", b"")) == [False, False]


def test_our_own_signature_does_not_keep_eight_bits_from_being_hidden():
    made = content(EIGHT_BIT, sign=Signing())
    assert made.data.startswith(b"DKIM-Signature:")
    assert made.seven_bit.isascii()
