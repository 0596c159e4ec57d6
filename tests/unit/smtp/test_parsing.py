from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.smtp import (
    Auth,
    AuthCancel,
    AuthResponse,
    Bdat,
    Body,
    Command,
    Data,
    Ehlo,
    EnhancedCode,
    Helo,
    Mail,
    Noop,
    Notify,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Ret,
    Rset,
    StartTls,
    Unknown,
    Vrfy,
)
from delivery.smtp.limits import MAX_AUTH_LINE, MAX_COMMAND_LINE
from delivery.smtp.parsing import CommandSyntaxError, parse_auth_response, parse_command

ALICE = "alice@mailweb.test"
BOB = "bob@dane.test"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"EHLO mail.mailweb.test", Ehlo("mail.mailweb.test")),
        (b"ehlo WIN_PC", Ehlo("WIN_PC")),
        (b"HELO [127.0.0.1] ", Helo("[127.0.0.1]")),
        (b"StartTLS", StartTls()),
        (b"AUTH plain", Auth("PLAIN")),
        (b"AUTH PLAIN =", Auth("PLAIN", b"")),
        (b"AUTH PLAIN AGEAYg==", Auth("PLAIN", b"\0a\0b")),
        (b"MAIL FROM:<>", Mail("")),
        (b"mail from: <alice@mailweb.test>", Mail(ALICE)),
        (b"MAIL FROM:<@relay.test,@b.test:alice@mailweb.test>", Mail(ALICE)),
        (b'MAIL FROM:<"a>b c"@mailweb.test> SIZE=7', Mail('"a>b c"@mailweb.test', size=7)),
        (
            b"MAIL FROM:<alice@mailweb.test>  size=10 body=8bitmime smtputf8 requiretls",
            Mail(ALICE, size=10, body=Body.EIGHT_BIT_MIME, smtputf8=True, requiretls=True),
        ),
        (
            b"MAIL FROM:<alice@mailweb.test> RET=hdrs ENVID=a+20b AUTH=e+3Dmc2@mailweb.test",
            Mail(ALICE, ret=Ret.HEADERS, envid="a b", auth="e=mc2@mailweb.test"),
        ),
        (
            b"MAIL FROM:<alice@mailweb.test> x-new X-Old=Some",
            Mail(ALICE, other=(("X-NEW", None), ("X-OLD", "Some"))),
        ),
        ("MAIL FROM:<\u00e9@mailweb.test>".encode(), Mail("\u00e9@mailweb.test")),
        (b"RCPT TO:<bob@dane.test>", Rcpt(BOB)),
        (b"RCPT TO:<postmaster>", Rcpt("postmaster")),
        (b"RCPT TO:<bob@dane.test> NOTIFY=never", Rcpt(BOB, notify=frozenset({Notify.NEVER}))),
        (
            b"RCPT TO:<bob@dane.test> NOTIFY=SUCCESS,Delay ORCPT=rfc822;b+2Bb@dane.test",
            Rcpt(
                BOB, notify=frozenset({Notify.SUCCESS, Notify.DELAY}), orcpt="rfc822;b+b@dane.test"
            ),
        ),
        (
            "RCPT TO:<bob@dane.test> ORCPT=utf-8;\u00e8\\x{E9}@dane.test X=1".encode(),
            Rcpt(BOB, orcpt="utf-8;\u00e8\u00e9@dane.test", other=(("X", "1"),)),
        ),
        (b"DATA", Data()),
        (b"BDAT 5", Bdat(5)),
        (b"BDAT 0 last", Bdat(0, last=True)),
        (b"RSET ", Rset()),
        (b"NOOP", Noop()),
        (b"NOOP at all", Noop("at all")),
        (b"VRFY bob", Vrfy("bob")),
        (b"QUIT", Quit()),
        (b"EXPN list", Unknown("EXPN", "list")),
        (b"", Unknown("")),
        ("R\u017fET".encode(), Unknown("R\u017fET")),
    ],
    ids=lambda value: value.decode("ascii", "replace") if isinstance(value, bytes) else "",
)
def test_line_becomes_a_command(line, command):
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "code", "enhanced"),
    [
        (b"\xff\xfe", 500, "5.5.2"),
        (b"NOOP \x00", 500, "5.5.2"),
        (b"NOOP \r", 500, "5.5.2"),
        (b"NOOP " + b"x" * MAX_COMMAND_LINE, 500, "5.5.6"),
        (b"AUTH PLAIN " + b"x" * MAX_AUTH_LINE, 500, "5.5.6"),
        (b"EHLO", 501, "5.5.4"),
        (b"HELO a b", 501, "5.5.4"),
        (b"STARTTLS now", 501, "5.5.4"),
        (b"AUTH", 501, "5.5.4"),
        (b"AUTH PLAIN ?", 501, "5.5.2"),
        (b"MAIL", 501, "5.5.4"),
        (b"MAIL FROM:alice@mailweb.test", 501, "5.5.4"),
        (b"MAIL TO:<alice@mailweb.test>", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test>SIZE=1", 501, "5.5.4"),
        (b"MAIL FROM:<alice>", 501, "5.1.7"),
        (b"MAIL FROM:<alice@mailweb.test> SIZE", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> SIZE=", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> SIZE=many", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> SIZE=-1", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> SIZE=" + b"1" * 21, 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> SIZE=1 SIZE=1", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> SMTPUTF8=1", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> SMTPUTF8=", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> BODY=BINARYMIME", 501, "5.5.4"),
        ("MAIL FROM:<alice@mailweb.test> BODY=7B\u0131T".encode(), 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> ENVID=a+2", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> ENVID=+0D+0A", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> =1", 501, "5.5.4"),
        (b"MAIL FROM:<alice@mailweb.test> X=", 501, "5.5.4"),
        (b"RCPT TO:<>", 501, "5.1.3"),
        (b"RCPT TO:<bob@>", 501, "5.1.3"),
        (b"RCPT FROM:<bob@dane.test>", 501, "5.5.4"),
        (b"RCPT TO:<bob@dane.test> NOTIFY=NEVER,DELAY", 501, "5.5.4"),
        (b"RCPT TO:<bob@dane.test> NOTIFY=SOMETIMES", 501, "5.5.4"),
        (b"RCPT TO:<bob@dane.test> ORCPT=bob", 501, "5.5.4"),
        (b"RCPT TO:<bob@dane.test> ORCPT=utf-8;\\x{D800}", 501, "5.5.4"),
        (b"RCPT TO:<bob@dane.test> ORCPT=utf-8;\\x{FFFFFF}", 501, "5.5.4"),
        (b"RCPT TO:<bob@dane.test> ORCPT=utf-8;\\y", 501, "5.5.4"),
        (b"DATA now", 501, "5.5.4"),
        (b"RSET now", 501, "5.5.4"),
        (b"VRFY", 501, "5.5.4"),
    ],
)
def test_bad_line_gets_the_reply_it_deserves(line, code, enhanced):
    with pytest.raises(CommandSyntaxError) as caught:
        parse_command(line)
    reply = caught.value.reply
    assert (reply.code, reply.enhanced) == (code, EnhancedCode.parse(enhanced))
    assert reply.to_bytes().isascii()


@pytest.mark.parametrize("line", [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 1 2", b"BDAT 5 LAST 1"])
def test_bdat_that_hides_its_size_ends_the_connection(line):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_command(line)
    assert not isinstance(caught.value, CommandSyntaxError)


def test_auth_responses():
    assert parse_auth_response(b"c2VjcmV0") == AuthResponse(b"secret")
    assert parse_auth_response(b"") == AuthResponse(b"")
    assert parse_auth_response(b"*") == AuthCancel()
    with pytest.raises(CommandSyntaxError):
        parse_auth_response(b"c2VjcmV")


def test_a_long_quoted_address_is_read_in_no_time():
    with pytest.raises(CommandSyntaxError):
        parse_command(b'MAIL FROM:<"' + b"\\a" * 1000)


names = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True)
addresses = st.builds("{}@{}.test".format, names, names)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=25)
letters = st.text(
    st.characters(min_codepoint=0xA0, exclude_categories=["C"]), min_size=1, max_size=9
)
others = st.lists(st.tuples(names.map("X-{}".format).map(str.upper), st.none() | names), max_size=2)
mails = st.builds(
    Mail,
    st.just("") | addresses | st.builds("{}@{}.test".format, letters, names),
    size=st.none() | st.integers(0, 10**19),
    body=st.none() | st.sampled_from(Body),
    smtputf8=st.booleans(),
    requiretls=st.booleans(),
    ret=st.none() | st.sampled_from(Ret),
    envid=st.none() | printable,
    auth=st.none() | st.just("<>") | addresses,
    other=others.map(tuple),
)
notifies = st.just(frozenset({Notify.NEVER})) | st.frozensets(
    st.sampled_from([Notify.SUCCESS, Notify.FAILURE, Notify.DELAY])
)
rcpts = st.builds(
    Rcpt,
    addresses,
    notify=notifies,
    orcpt=st.none()
    | printable.map("rfc822;{}".format)
    | (printable | letters).map("utf-8;{}".format),
    other=others.map(tuple),
)
secrets = st.binary(max_size=40)
commands = st.one_of(
    names.map(Ehlo),
    names.map(Helo),
    st.builds(Auth, st.sampled_from(["PLAIN", "SCRAM-SHA-256"]), st.none() | secrets),
    mails,
    rcpts,
    st.builds(Bdat, st.integers(0, 10**19), st.booleans()),
    st.sampled_from([StartTls(), Data(), Rset(), Noop(), Noop("now"), Vrfy("bob"), Quit()]),
)


@given(commands)
def test_every_command_survives_the_wire(command: Command):
    assert parse_command(command.to_bytes().removesuffix(b"\r\n")) == command


@given(
    st.binary(max_size=60)
    | st.builds(
        bytes.__add__,
        st.sampled_from(
            [b"MAIL FROM:<", b"RCPT TO:<b@c> ORCPT=utf-8;", b"AUTH ", b"EHLO ", b"MAIL FROM:<> "]
        ),
        st.binary(max_size=40),
    )
)
def test_no_line_does_more_than_be_refused(line):
    try:
        command = parse_command(line)
    except RemoteProtocolError:
        return
    assert command.to_bytes().endswith(b"\r\n")
