from __future__ import annotations

from operator import attrgetter

import pytest

from delivery.smtp import (
    AddressError,
    Auth,
    AuthCancel,
    AuthResponse,
    Bdat,
    Body,
    Command,
    Data,
    Ehlo,
    EndOfData,
    Helo,
    Kind,
    LocalProtocolError,
    Mail,
    Noop,
    Notify,
    Quit,
    Rcpt,
    Ret,
    Rset,
    StartTls,
    Unknown,
    Vrfy,
)

ALICE = "alice@mailweb.test"
BOB = "bob@dane.test"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (Ehlo("mail.mailweb.test"), b"EHLO mail.mailweb.test"),
        (Helo("[127.0.0.1]"), b"HELO [127.0.0.1]"),
        (StartTls(), b"STARTTLS"),
        (Auth("plain"), b"AUTH PLAIN"),
        (Auth("PLAIN", b""), b"AUTH PLAIN ="),
        (Auth("PLAIN", b"\0a\0b"), b"AUTH PLAIN AGEAYg=="),
        (AuthResponse(b"secret"), b"c2VjcmV0"),
        (AuthResponse(b""), b""),
        (AuthCancel(), b"*"),
        (Mail(""), b"MAIL FROM:<>"),
        (Mail(ALICE), b"MAIL FROM:<alice@mailweb.test>"),
        (
            Mail(ALICE, size=10, body=Body.EIGHT_BIT_MIME, smtputf8=True, requiretls=True),
            b"MAIL FROM:<alice@mailweb.test> SIZE=10 BODY=8BITMIME SMTPUTF8 REQUIRETLS",
        ),
        (
            Mail(ALICE, body=Body.SEVEN_BIT, ret=Ret.HEADERS, envid="a b+c", auth="<>"),
            b"MAIL FROM:<alice@mailweb.test> BODY=7BIT RET=HDRS ENVID=a+20b+2Bc AUTH=<>",
        ),
        (
            Mail(ALICE, auth="e=mc2@mailweb.test", other=(("X-NEW", None), ("X-OLD", "1"))),
            b"MAIL FROM:<alice@mailweb.test> AUTH=e+3Dmc2@mailweb.test X-NEW X-OLD=1",
        ),
        (Mail("\u00e9@mailweb.test"), "MAIL FROM:<\u00e9@mailweb.test>".encode()),
        (Rcpt(BOB), b"RCPT TO:<bob@dane.test>"),
        (Rcpt("Postmaster"), b"RCPT TO:<Postmaster>"),
        (
            Rcpt(
                BOB, notify=frozenset({Notify.DELAY, Notify.SUCCESS}), orcpt="rfc822;b+b@dane.test"
            ),
            b"RCPT TO:<bob@dane.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bb@dane.test",
        ),
        (
            Rcpt(BOB, orcpt="utf-8;b\u00e9+@dane.test", other=(("X-NEW", "1"),)),
            b"RCPT TO:<bob@dane.test> ORCPT=utf-8;b\\x{E9}\\x{2B}@dane.test X-NEW=1",
        ),
        (Data(), b"DATA"),
        (EndOfData(), b"."),
        (Bdat(0, last=True), b"BDAT 0 LAST"),
        (Bdat(70), b"BDAT 70"),
        (Rset(), b"RSET"),
        (Noop(), b"NOOP"),
        (Noop("really"), b"NOOP really"),
        (Vrfy("bob"), b"VRFY bob"),
        (Quit(), b"QUIT"),
        (Unknown("EXPN", "list"), b"EXPN list"),
        (Unknown("HELP"), b"HELP"),
    ],
    ids=lambda value: value.decode("ascii", "replace") if isinstance(value, bytes) else "",
)
def test_command_becomes_a_line(command, line):
    assert command.to_bytes() == line + b"\r\n"


@pytest.mark.parametrize("breaking", ["\r", "\n", "\r\n", "\0", "\x7f", "\x85"])
@pytest.mark.parametrize(
    "make",
    [
        lambda text: Ehlo(f"a{text}b"),
        lambda text: Helo(f"a{text}b"),
        lambda text: Auth(f"PLAIN{text}"),
        lambda text: Mail(f"alice{text}@mailweb.test"),
        lambda text: Mail(f'"alice{text}"@mailweb.test'),
        lambda text: Mail(f"alice@mailweb.test{text}"),
        lambda text: Mail(ALICE, envid=f"a{text}"),
        lambda text: Mail(ALICE, auth=f"alice@mailweb.test{text}"),
        lambda text: Mail(ALICE, other=((f"X{text}", None),)),
        lambda text: Mail(ALICE, other=(("X", f"1{text}"),)),
        lambda text: Rcpt(f"bob@dane.test{text}"),
        lambda text: Rcpt(BOB, orcpt=f"rfc822;bob{text}"),
        lambda text: Rcpt(BOB, orcpt=f"utf-8;bob{text}"),
        lambda text: Rcpt(BOB, orcpt=f"rfc822{text};bob"),
        lambda text: Rcpt(BOB, other=(("X", f"1{text}"),)),
        lambda text: Noop(f"a{text}"),
        lambda text: Vrfy(f"a{text}"),
        lambda text: Unknown(f"A{text}"),
        lambda text: Unknown("A", f"b{text}"),
    ],
)
def test_nothing_can_smuggle_in_a_second_line(make, breaking):
    with pytest.raises(LocalProtocolError):
        make(breaking)


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "alice+tag@mailweb.test",
        "alice.b.c@mailweb.test",
        "!#$%&'*+-/=?^_`{|}~@mailweb.test",
        '"alice b"@mailweb.test',
        r'"a\"b\\c"@mailweb.test',
        '""@mailweb.test',
        "alice@[127.0.0.1]",
        "alice@[IPv6:::1]",
        "alice@[tag:content]",
        "\u00e9l\u00e8ne@b\u00fccher.test",
        "a" * 100 + "@mailweb.test",
    ],
)
def test_address_of_rfc_5321_is_taken(address):
    assert Mail(address).to_bytes() == f"MAIL FROM:<{address}>\r\n".encode()


@pytest.mark.parametrize(
    "address",
    [
        "alice",
        "@mailweb.test",
        "alice@",
        "alice@@mailweb.test",
        ".alice@mailweb.test",
        "alice.@mailweb.test",
        "a..b@mailweb.test",
        "alice b@mailweb.test",
        "alice@mail web.test",
        "alice@-mailweb.test",
        "alice@mailweb-.test",
        "alice@mailweb..test",
        "alice@mailweb.test.",
        "alice@mailweb_x.test",
        "<alice@mailweb.test>",
        "alice@mailweb.test> SIZE=1",
        '"alice@mailweb.test',
        '"a"b"@mailweb.test',
        "alice@[127.0.0]",
        "alice@[]",
        "alice@127.0.0.1]",
        "\ud800@mailweb.test",
        "alice@" + "a" * 256,
        "a" * 600 + "@mailweb.test",
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(AddressError):
        Mail(address)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ehlo(""),
        lambda: Ehlo("two words"),
        lambda: Ehlo("a" * 256),
        lambda: Auth(""),
        lambda: Auth("PLAIN", b"x" * 10000),
        lambda: AuthResponse(b"x" * 10000),
        lambda: Mail(ALICE, size=-1),
        lambda: Mail(ALICE, envid=""),
        lambda: Mail(ALICE, envid="\u00e9"),
        lambda: Mail(ALICE, envid="+" * 34),
        lambda: Mail(ALICE, auth="alice"),
        lambda: Mail(ALICE, other=(("X=Y", None),)),
        lambda: Mail(ALICE, other=(("", "1"),)),
        lambda: Mail(ALICE, other=(("X", ""),)),
        lambda: Mail(ALICE, other=(("X", "a=b"),)),
        lambda: Mail(ALICE, other=(("X", "a b"),)),
        lambda: Mail(ALICE, other=(("X", "1" * 2048),)),
        lambda: Rcpt(""),
        lambda: Rcpt(BOB, notify=frozenset({Notify.NEVER, Notify.DELAY})),
        lambda: Rcpt(BOB, orcpt="bob@dane.test"),
        lambda: Rcpt(BOB, orcpt="rfc822;"),
        lambda: Rcpt(BOB, orcpt=";bob"),
        lambda: Rcpt(BOB, orcpt="rfc822;b\u00e9"),
        lambda: Rcpt(BOB, other=(("X", "1" * 2048),)),
        lambda: Bdat(-1),
        lambda: Noop("a" * 2048),
        lambda: Vrfy("a" * 2048),
        lambda: Vrfy(""),
        lambda: Unknown("A", "b" * 2048),
    ],
)
def test_command_with_impossible_values_cannot_be_made(make):
    with pytest.raises(LocalProtocolError):
        make()


@pytest.mark.parametrize("secret", [Auth("PLAIN", b"tanstaaf"), AuthResponse(b"tanstaaf")])
def test_credentials_do_not_show(secret):
    shown = f"{secret!r} {secret}"
    assert "tanstaaf" not in shown
    assert "dGFuc3RhYWY" not in shown


@pytest.mark.parametrize("use", [Command.to_bytes, attrgetter("kind")])
def test_command_in_general_says_nothing(use):
    with pytest.raises(NotImplementedError):
        use(Command())


def test_only_the_last_chunk_ends_a_message():
    assert (Bdat(1).kind, Bdat(1, last=True).kind) == (Kind.CHUNK, Kind.LAST_CHUNK)
