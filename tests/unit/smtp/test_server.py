from __future__ import annotations

import pytest

from delivery.smtp import (
    NEED_DATA,
    Auth,
    AuthCancel,
    AuthResponse,
    BadCommand,
    Bdat,
    Body,
    ConnectionClosed,
    ContentChunk,
    ContentReceived,
    Data,
    Ehlo,
    EnhancedCode,
    Extensions,
    Helo,
    Limits,
    LocalProtocolError,
    Mail,
    Noop,
    Phase,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    Ret,
    Rset,
    ServerConnection,
    StartTls,
    State,
    Unknown,
    Vrfy,
)
from delivery.smtp.limits import MAX_AUTH_LINE, MAX_UNREAD
from delivery.smtp.server import ServerEvent
from tests.unit.smtp.pieces import octets

ALICE = "alice@mailweb.test"
BOB = "bob@dane.test"
OK = Reply(250, EnhancedCode(2, 0, 0), ("Ok",))
GO_ON = Reply(354, None, ("Go on",))
NO = Reply(550, EnhancedCode(5, 7, 1), ("No",))
EVERYTHING = Extensions(
    hostname="mx.dane.test",
    size=1000,
    pipelining=True,
    eightbitmime=True,
    smtputf8=True,
    starttls=True,
    chunking=True,
    dsn=True,
    auth=("PLAIN", "SCRAM-SHA-256"),
    limits=Limits(rcptmax=10),
)
INSIDE_TLS = Extensions(hostname="mx.dane.test", size=1000, requiretls=True)


def state(connection: ServerConnection) -> State:
    return connection.state


def hear(connection: ServerConnection, wire: bytes) -> ServerEvent:
    connection.receive_data(wire)
    return connection.next_event()


def exchange(connection: ServerConnection, line: bytes, reply: Reply = OK) -> ServerEvent:
    """Read one command and answer it."""
    event = hear(connection, line + b"\r\n")
    connection.reply(reply)
    return event


def ready(extensions: Extensions = EVERYTHING, *, tls: bool = False) -> ServerConnection:
    connection = ServerConnection(extensions, tls=tls, tls_extensions=extensions if tls else None)
    connection.greeting()
    exchange(connection, b"EHLO mail.mailweb.test")
    return connection


def in_transaction(extensions: Extensions = EVERYTHING) -> ServerConnection:
    connection = ready(extensions)
    exchange(connection, b"MAIL FROM:<alice@mailweb.test>")
    exchange(connection, b"RCPT TO:<bob@dane.test>")
    return connection


def in_content(extensions: Extensions = EVERYTHING) -> ServerConnection:
    connection = in_transaction(extensions)
    exchange(connection, b"DATA", GO_ON)
    return connection


def drain(connection: ServerConnection) -> tuple[bytes, ServerEvent]:
    """Return the content that can be read, and the event after it."""
    content = b""
    while isinstance(event := connection.next_event(), ContentChunk):
        content += event.data
    return content, event


def refusal(event: ServerEvent) -> tuple[int, str]:
    assert isinstance(event, BadCommand)
    return event.reply.code, str(event.reply.enhanced)


def test_a_message_from_greeting_to_quit():
    connection = ServerConnection(Extensions(hostname="mx.dane.test", size=1000, pipelining=True))
    assert connection.greeting() == b"220 mx.dane.test ESMTP\r\n"
    assert connection.phase is Phase.IDLE
    hello = hear(connection, b"EHLO mail.mailweb.test\r\n")
    assert hello == Ehlo("mail.mailweb.test")
    assert isinstance(hello, Ehlo)
    assert connection.reply(connection.hello_reply(hello)) == (
        b"250-mx.dane.test\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"
    )
    mail = exchange(connection, b"MAIL FROM:<alice@mailweb.test> SIZE=7")
    assert mail == Mail(ALICE, size=7)
    assert exchange(connection, b"RCPT TO:<bob@dane.test>") == Rcpt(BOB)
    assert hear(connection, b"DATA\r\n") == Data()
    assert connection.reply(GO_ON) == b"354 Go on\r\n"
    assert (connection.state, connection.phase) == (State.CONTENT, Phase.CONTENT)
    assert hear(connection, b"..Hello\r\n.\r\n") == ContentChunk(b".Hello\r\n")
    assert connection.next_event() == ContentReceived(8)
    assert connection.reply(OK) == b"250 2.0.0 Ok\r\n"
    assert state(connection) is State.READY
    assert exchange(connection, b"QUIT", Reply(221)) == Quit()
    assert (connection.state, connection.phase) == (State.CLOSING, Phase.QUIT)
    assert hear(connection, b"NOOP\r\n") is NEED_DATA
    assert hear(connection, b"") == ConnectionClosed(is_clean=True)
    assert connection.next_event() == ConnectionClosed(is_clean=True)
    assert connection.bad_commands == 0


def test_pipelined_commands_cost_one_write():
    connection = ready()
    connection.receive_data(
        b"MAIL FROM:<alice@mailweb.test>\r\nRCPT TO:<bob@dane.test>\r\n"
        b"RCPT TO:<charlie@dane.test>\r\nDATA\r\n"
    )
    wire = b""
    while (event := connection.next_event()) is not NEED_DATA:
        wire += connection.reply(GO_ON if isinstance(event, Data) else OK)
    assert wire == b"250 2.0.0 Ok\r\n" * 3 + b"354 Go on\r\n"
    assert connection.state is State.CONTENT


def test_one_event_at_a_time_is_open():
    connection = ready()
    hear(connection, b"NOOP\r\nNOOP\r\n")
    with pytest.raises(LocalProtocolError, match="due"):
        connection.next_event()
    connection.reply(OK)
    connection.next_event()
    connection.reply(OK)
    with pytest.raises(LocalProtocolError, match="Nothing"):
        connection.reply(OK)


def test_helo_gets_the_name_alone():
    connection = ServerConnection(EVERYTHING)
    connection.greeting()
    event = hear(connection, b"HELO mail.mailweb.test\r\n")
    assert isinstance(event, Helo)
    assert connection.reply(connection.hello_reply(event)) == b"250 mx.dane.test\r\n"


# Greeting


def test_nothing_is_heard_before_the_greeting_but_remembered():
    connection = ServerConnection(EVERYTHING)
    assert (connection.state, connection.phase) == (State.GREETING, Phase.GREETING)
    assert hear(connection, b"EHLO mail.mailweb.test\r\n") is NEED_DATA
    connection.greeting()
    assert connection.spoke_early
    assert connection.next_event() == Ehlo("mail.mailweb.test")


def test_patient_client_is_recognised():
    assert not ready().spoke_early


@pytest.mark.parametrize("code", [421, 451, 554])
def test_greeting_may_refuse(code):
    connection = ServerConnection(EVERYTHING)
    assert connection.greeting(Reply(code, None, ("Busy",))) == b"%d Busy\r\n" % code
    assert connection.state is State.CLOSING
    with pytest.raises(LocalProtocolError):
        connection.greeting()


def test_client_that_leaves_before_the_greeting():
    assert hear(ServerConnection(EVERYTHING), b"") == ConnectionClosed()


# Order


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<alice@mailweb.test>",
        b"RCPT TO:<bob@dane.test>",
        b"DATA",
        b"BDAT 0 LAST",
        b"STARTTLS",
        b"AUTH PLAIN",
    ],
)
def test_ehlo_comes_first(line):
    connection = ServerConnection(EVERYTHING)
    connection.greeting()
    assert refusal(hear(connection, line + b"\r\n")) == (503, "5.5.1")


@pytest.mark.parametrize("line", [b"NOOP", b"RSET", b"QUIT", b"VRFY bob"])
def test_some_commands_need_no_ehlo(line):
    connection = ServerConnection(EVERYTHING)
    connection.greeting()
    assert not isinstance(hear(connection, line + b"\r\n"), BadCommand)


@pytest.mark.parametrize("line", [b"MAIL FROM:<>", b"STARTTLS", b"AUTH PLAIN"])
def test_no_second_transaction_inside_the_first(line):
    assert refusal(exchange(in_transaction(), line)) == (503, "5.5.1")


@pytest.mark.parametrize("line", [b"RSET", b"EHLO again", b"HELO again"])
def test_transaction_can_be_given_up(line):
    connection = in_transaction()
    exchange(connection, line)
    assert connection.state is State.READY
    assert exchange(connection, b"MAIL FROM:<>") == Mail("")


def test_no_command_counts_on_one_that_was_refused():
    connection = ready()
    wire = b"MAIL FROM:<alice@mailweb.test>\r\nRCPT TO:<bob@dane.test>\r\nDATA\r\n"
    assert hear(connection, wire) == Mail(ALICE)
    connection.reply(NO)
    for command in (Rcpt(BOB), Data()):
        event = connection.next_event()
        assert isinstance(event, BadCommand)
        assert (event.command, event.reply.code) == (command, 503)
        connection.reply(event.reply)
    assert connection.state is State.READY
    assert connection.bad_commands == 2


def test_data_needs_a_recipient():
    connection = ready()
    exchange(connection, b"MAIL FROM:<alice@mailweb.test>")
    exchange(connection, b"RCPT TO:<bob@dane.test>", NO)
    assert refusal(exchange(connection, b"DATA", Reply(503))) == (503, "5.5.1")


def test_server_may_take_data_that_nobody_gets():
    connection = ready()
    exchange(connection, b"MAIL FROM:<alice@mailweb.test>")
    assert isinstance(exchange(connection, b"DATA", GO_ON), BadCommand)
    assert state(connection) is State.DOT
    assert hear(connection, b".\r\n") == ContentReceived(0)
    connection.reply(NO)
    assert state(connection) is State.READY


def test_data_may_be_refused():
    connection = in_transaction()
    exchange(connection, b"DATA", NO)
    assert connection.state is State.RCPT
    assert exchange(connection, b"NOOP") == Noop()


# Lines


@pytest.mark.parametrize(
    ("line", "code", "enhanced"),
    [
        (b"NOOP\n", 500, "5.5.2"),
        (b"\n", 500, "5.5.2"),
        (b"NOOP\0\r\n", 500, "5.5.2"),
        (b"\xff\r\n", 500, "5.5.2"),
        (b"\r\n", 500, "5.5.1"),
        (b"x" * MAX_AUTH_LINE + b"\r\n", 500, "5.5.6"),
        (b"x" * (MAX_AUTH_LINE + 5) + b"\r\n", 500, "5.5.6"),
        (b"HELLO there\r\n", 500, "5.5.1"),
        (b"EXPN list\r\n", 502, "5.5.1"),
        (b"EHLO\r\n", 501, "5.5.4"),
        (b"MAIL FROM:alice\r\n", 501, "5.5.4"),
        (b"MAIL FROM:<alice>\r\n", 501, "5.1.7"),
    ],
)
def test_bad_line_is_refused_and_the_next_one_is_read(line, code, enhanced):
    for pieces in ([line + b"NOOP\r\n"], [*octets(line), b"NOOP\r\n"]):
        connection = ready()
        event: ServerEvent = NEED_DATA
        for piece in pieces:
            event = hear(connection, piece)
            if event is not NEED_DATA:
                break
        assert refusal(event) == (code, enhanced)
        connection.reply(Reply(code))
        connection.receive_data(b"NOOP\r\n")
        assert connection.next_event() == Noop()
        assert connection.bad_commands == 1


def test_unknown_command_is_told_with_its_words():
    event = hear(ready(), b"xclient NAME=a\r\n")
    assert isinstance(event, BadCommand)
    assert event.command == Unknown("xclient", "NAME=a")


def test_bad_commands_can_be_counted_and_ended():
    connection = ready()
    for count in range(1, 4):
        exchange(connection, b"HELLO", Reply(500))
        assert connection.bad_commands == count
    assert connection.reply(Reply(421, None, ("Enough",))) == b"421 Enough\r\n"
    assert connection.state is State.CLOSING


def test_421_may_answer_anything():
    connection = in_transaction()
    exchange(connection, b"DATA", Reply(421))
    assert connection.state is State.CLOSING
    assert hear(connection, b"MAIL FROM:<>\r\n") is NEED_DATA


@pytest.mark.parametrize("line", [b"DATA\r\n", b"BDAT 9 LAST\r\n"])
def test_421_may_end_the_wait_for_content(line):
    connection = in_transaction()
    if hear(connection, line) == Data():
        connection.reply(GO_ON)
    assert connection.reply(Reply(421, None, ("Too slow",))) == b"421 Too slow\r\n"
    assert hear(connection, b"Hello") is NEED_DATA
    assert hear(connection, b"") == ConnectionClosed(is_clean=True)


def test_client_that_never_waits_is_refused():
    connection = ready()
    connection.receive_data(b"NOOP\r\n" * (MAX_UNREAD // 6 + 1))
    with pytest.raises(RemoteProtocolError, match="without end"):
        connection.receive_data(b"NOOP\r\n")
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    assert connection.state is State.BROKEN


# Parameters


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<alice@mailweb.test> SIZE=1",
        b"MAIL FROM:<alice@mailweb.test> BODY=8BITMIME",
        b"MAIL FROM:<alice@mailweb.test> SMTPUTF8",
        b"MAIL FROM:<alice@mailweb.test> RET=FULL",
        b"MAIL FROM:<alice@mailweb.test> AUTH=<>",
        b"MAIL FROM:<alice@mailweb.test> X-NEW=1",
    ],
)
def test_parameter_that_was_not_announced_is_refused(line):
    connection = ready(Extensions(hostname="mx.plain.test"))
    assert refusal(exchange(connection, line, NO)) == (555, "5.5.4")
    assert connection.state is State.READY


@pytest.mark.parametrize("words", [b"NOTIFY=NEVER", b"ORCPT=rfc822;bob", b"X-NEW"])
def test_recipient_parameter_that_was_not_announced_is_refused(words):
    connection = ready(Extensions(hostname="mx.plain.test"))
    exchange(connection, b"MAIL FROM:<alice@mailweb.test>")
    assert refusal(hear(connection, b"RCPT TO:<bob@dane.test> " + words + b"\r\n")) == (
        555,
        "5.5.4",
    )


def test_parameters_that_were_announced_arrive():
    connection = ready()
    mail = exchange(
        connection, b"MAIL FROM:<alice@mailweb.test> SIZE=9 BODY=8BITMIME RET=HDRS ENVID=7"
    )
    assert mail == Mail(ALICE, size=9, body=Body.EIGHT_BIT_MIME, ret=Ret.HEADERS, envid="7")


def test_requiretls_is_for_tls():
    line = b"MAIL FROM:<alice@mailweb.test> REQUIRETLS"
    announced = Extensions(hostname="mx.dane.test", requiretls=True)
    assert refusal(exchange(ready(announced), line, NO)) == (523, "5.7.10")
    assert exchange(ready(announced, tls=True), line) == Mail(ALICE, requiretls=True)
    assert refusal(exchange(ready(tls=True), line, NO)) == (555, "5.5.4")


def test_letters_beyond_ascii_need_smtputf8():
    connection = ready()
    elene = "\u00e9l\u00e8ne@eai.test"
    mail = f"MAIL FROM:<{elene}>".encode()
    rcpt = f"RCPT TO:<{elene}>".encode()
    assert refusal(exchange(connection, mail, NO)) == (553, "5.6.7")
    exchange(connection, b"MAIL FROM:<alice@mailweb.test>")
    assert refusal(exchange(connection, rcpt, NO)) == (553, "5.6.7")
    exchange(connection, b"RSET")
    assert exchange(connection, mail + b" SMTPUTF8") == Mail(elene, smtputf8=True)
    assert exchange(connection, rcpt) == Rcpt(elene)


@pytest.mark.parametrize(("size", "is_refused"), [(1000, False), (1001, True)])
def test_announced_size_is_believed(size, is_refused):
    event = hear(ready(), b"MAIL FROM:<alice@mailweb.test> SIZE=%d\r\n" % size)
    assert isinstance(event, BadCommand) == is_refused
    if is_refused:
        assert refusal(event) == (552, "5.3.4")


# Content


@pytest.mark.parametrize("extra", [0, 1, 5000])
def test_too_much_content_is_counted_but_not_kept(extra):
    connection = in_content()
    content = b"x" * (998 + extra) + b"\r\n"
    kept = b""
    for piece in (content[:500], content[500:900], content[900:] + b".\r\n"):
        connection.receive_data(piece)
        found, event = drain(connection)
        kept += found
    assert isinstance(event, ContentReceived)
    assert event.size == len(content)
    assert event.is_last
    assert (event.problem and event.problem.code) == (552 if extra else None)
    assert len(kept) <= 1000


def test_limit_need_not_be_the_announced_one():
    connection = ServerConnection(Extensions(hostname="mx.dane.test"), max_message_size=3)
    assert connection.max_message_size == 3
    connection.greeting()
    for line in (b"EHLO a", b"MAIL FROM:<>", b"RCPT TO:<bob@dane.test>"):
        exchange(connection, line)
    exchange(connection, b"DATA", GO_ON)
    event = hear(connection, b"abc\r\n.\r\n")
    assert isinstance(event, ContentReceived)
    assert event.problem is not None


@pytest.mark.parametrize("trick", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r.\r\n"])
def test_smuggled_commands_stay_content(trick):
    connection = in_content()
    smuggled = b"Hello" + trick + b"MAIL FROM:<charlie@mailweb.test>\r\n"
    connection.receive_data(smuggled + b".\r\nNOOP\r\n")
    content, event = drain(connection)
    assert b"MAIL FROM" in content
    assert isinstance(event, ContentReceived)
    assert event.problem is not None
    assert (event.problem.code, str(event.problem.enhanced)) == (550, "5.6.0")
    connection.reply(event.problem)
    assert connection.next_event() == Noop()


def test_commands_behind_the_dot_are_read_after_its_reply():
    connection = in_content()
    connection.receive_data(b"Hello\r\n.\r\nMAIL FROM:<>\r\n")
    content, event = drain(connection)
    assert (content, event) == (b"Hello\r\n", ContentReceived(7))
    connection.reply(OK)
    assert connection.next_event() == Mail("")


def test_client_that_leaves_in_the_middle_of_content():
    connection = in_content()
    connection.receive_data(b"Hello\r\n.\r")
    connection.receive_data(b"")
    content, event = drain(connection)
    assert (content, event) == (b"Hello", ConnectionClosed(is_clean=False))
    assert connection.state is State.CLOSED
    with pytest.raises(LocalProtocolError):
        connection.receive_data(b"\n")


# CHUNKING


def test_chunks_arrive_as_one_message():
    connection = in_transaction()
    connection.receive_data(b"BDAT 3\r\na\r\n.BDAT 4 LAST\r\n\r\nb\n")
    connection.receive_data(b"")
    assert connection.next_event() == ContentChunk(b"a\r\n")
    assert connection.next_event() == ContentReceived(3, is_last=False)
    connection.reply(OK)
    assert state(connection) is State.CHUNKS


def test_chunks_may_be_cut_anywhere():
    connection = in_transaction()
    wire = b"BDAT 2\r\na\rBDAT 5 LAST\r\n\n.\r\n."
    content, received = b"", []
    for octet in octets(wire):
        connection.receive_data(octet)
        while (event := connection.next_event()) is not NEED_DATA:
            if isinstance(event, ContentChunk):
                content += event.data
            else:
                received.append(event)
                connection.reply(OK)
    assert content == b"a\r\n.\r\n."
    assert received == [ContentReceived(2, is_last=False), ContentReceived(7)]
    assert connection.state is State.READY


def test_waiting_for_a_chunk_is_waiting_for_content():
    connection = in_transaction()
    assert hear(connection, b"BDAT 5\r\n") is NEED_DATA
    assert connection.phase is Phase.CONTENT


def test_empty_last_chunk_ends_the_message():
    connection = in_transaction()
    assert hear(connection, b"BDAT 0 LAST\r\n") == ContentReceived(0)
    connection.reply(OK)
    assert connection.state is State.READY


def test_no_recipient_and_no_data_between_chunks():
    connection = in_transaction()
    hear(connection, b"BDAT 0\r\n")
    connection.reply(OK)
    assert refusal(exchange(connection, b"RCPT TO:<bob@dane.test>", NO)) == (503, "5.5.1")
    assert refusal(exchange(connection, b"DATA", NO)) == (503, "5.5.1")


def test_too_many_octets_in_chunks_are_not_kept():
    connection = in_transaction()
    connection.receive_data(b"BDAT 900\r\n" + b"x" * 900)
    content, event = drain(connection)
    assert (len(content), event) == (900, ContentReceived(900, is_last=False))
    connection.reply(OK)
    connection.receive_data(b"BDAT 101 LAST\r\n" + b"x" * 101)
    content, event = drain(connection)
    assert content == b""
    assert isinstance(event, ContentReceived)
    assert event.problem is not None
    assert event.problem.code == 552
    connection.reply(event.problem)
    assert state(connection) is State.FAILED
    assert exchange(connection, b"MAIL FROM:<>") == Mail("")
    assert state(connection) is State.MAIL


@pytest.mark.parametrize("chunk", [b"a\nb", b"a\r", b"\ra\n"])
def test_lone_cr_or_lf_in_chunks_is_a_problem(chunk):
    connection = in_transaction()
    connection.receive_data(b"BDAT %d LAST\r\n" % len(chunk) + chunk)
    _, event = drain(connection)
    assert isinstance(event, ContentReceived)
    assert event.problem is not None
    assert event.problem.code == 550


def test_octets_of_a_refused_chunk_are_no_commands():
    connection = ready()
    exchange(connection, b"MAIL FROM:<alice@mailweb.test>")
    event = hear(connection, b"BDAT 6 LAST\r\nQUIT\r\n")
    assert isinstance(event, BadCommand)
    assert (event.command, event.reply.code) == (Bdat(6, last=True), 503)
    connection.reply(event.reply)
    exchange(connection, b"RCPT TO:<bob@dane.test>")
    connection.receive_data(b"BDAT 3 LAST\r\na\r\n")
    content, received = drain(connection)
    assert (content, received) == (b"a\r\n", ContentReceived(3))


def test_chunks_need_chunking():
    connection = in_transaction(Extensions(hostname="mx.plain.test"))
    assert hear(connection, b"BDAT 6\r\nQUI") is NEED_DATA
    assert refusal(hear(connection, b"T\r\n")) == (502, "5.5.1")


def test_bdat_that_hides_its_size_ends_the_connection():
    with pytest.raises(RemoteProtocolError):
        hear(in_transaction(), b"BDAT some\r\n")


# STARTTLS


def test_inside_tls_everything_begins_again():
    connection = ServerConnection(EVERYTHING, tls_extensions=INSIDE_TLS)
    connection.greeting()
    exchange(connection, b"EHLO mail.mailweb.test")
    assert exchange(connection, b"STARTTLS", Reply(220)) == StartTls()
    assert (connection.state, connection.phase) == (State.TLS_DUE, Phase.TLS)
    assert connection.next_event() is NEED_DATA
    connection.tls_started()
    assert connection.tls
    assert connection.extensions == INSIDE_TLS
    assert refusal(exchange(connection, b"MAIL FROM:<>", NO)) == (503, "5.5.1")
    exchange(connection, b"EHLO mail.mailweb.test")
    assert refusal(exchange(connection, b"STARTTLS", NO)) == (503, "5.5.1")


def test_starttls_is_not_announced_inside_tls_by_default():
    connection = ServerConnection(EVERYTHING, tls=True)
    assert not connection.extensions.starttls
    assert connection.extensions.size == 1000


def test_starttls_that_is_not_offered():
    connection = ready(Extensions(hostname="mx.plain.test"))
    assert refusal(exchange(connection, b"STARTTLS", NO)) == (502, "5.5.1")


def test_starttls_may_be_refused():
    connection = ready()
    exchange(connection, b"STARTTLS", Reply(454))
    assert connection.state is State.READY
    with pytest.raises(LocalProtocolError):
        connection.tls_started()


def test_clear_text_pipelined_behind_starttls_is_refused():
    connection = ready()
    with pytest.raises(RemoteProtocolError, match="Clear text"):
        hear(connection, b"STARTTLS\r\nMAIL FROM:<charlie@mailweb.test>\r\n")
    assert connection.state is State.BROKEN


def test_clear_text_before_the_reply_to_starttls_is_refused():
    connection = ready()
    hear(connection, b"STARTTLS\r\n")
    connection.receive_data(b"M")
    with pytest.raises(RemoteProtocolError, match="Clear text"):
        connection.reply(Reply(220))
    assert connection.state is State.BROKEN


def test_clear_text_after_the_reply_to_starttls_is_refused():
    connection = ready()
    exchange(connection, b"STARTTLS", Reply(220))
    connection.receive_data(b"M")
    with pytest.raises(RemoteProtocolError, match="Clear text"):
        connection.next_event()
    connection = ready()
    exchange(connection, b"STARTTLS", Reply(220))
    connection.receive_data(b"M")
    with pytest.raises(RemoteProtocolError, match="Clear text"):
        connection.tls_started()
    assert not connection.tls


# AUTH


def test_authentication_with_challenges():
    connection = ready()
    assert exchange(connection, b"AUTH SCRAM-SHA-256 biws", Reply.challenge(b"r=1")) == Auth(
        "SCRAM-SHA-256", b"n,,"
    )
    assert (connection.state, connection.phase) == (State.AUTH, Phase.AUTH)
    assert exchange(connection, b"Yz1iaXdz", Reply(235)) == AuthResponse(b"c=biws")
    assert state(connection) is State.READY
    assert connection.is_authenticated
    assert refusal(exchange(connection, b"AUTH PLAIN", NO)) == (503, "5.5.1")
    assert exchange(connection, b"MAIL FROM:<>") == Mail("")


def test_authentication_in_one_step():
    connection = ready()
    exchange(connection, b"AUTH PLAIN AGEAYg==", Reply(535))
    assert not connection.is_authenticated
    exchange(connection, b"AUTH PLAIN AGEAYw==", Reply(235))
    assert connection.is_authenticated


@pytest.mark.parametrize(
    ("line", "enhanced", "command"), [(b"*", "5.7.0", AuthCancel()), (b"?", "5.5.2", None)]
)
def test_authentication_that_ends_early(line, enhanced, command):
    connection = ready()
    exchange(connection, b"AUTH PLAIN", Reply.challenge(b""))
    event = hear(connection, line + b"\r\n")
    assert refusal(event) == (501, enhanced)
    assert isinstance(event, BadCommand)
    assert event.command == command
    connection.reply(event.reply)
    assert (connection.state, connection.is_authenticated) == (State.READY, False)


@pytest.mark.parametrize(
    ("extensions", "code"), [(EVERYTHING, 504), (Extensions(hostname="mx.plain.test"), 502)]
)
def test_mechanism_that_is_not_announced(extensions, code):
    event = hear(ready(extensions), b"AUTH LOGIN\r\n")
    assert refusal(event)[0] == code


def test_authentication_is_forgotten_inside_tls():
    connection = ready()
    exchange(connection, b"AUTH PLAIN AGEAYg==", Reply(235))
    exchange(connection, b"STARTTLS", Reply(220))
    connection.tls_started()
    assert not connection.is_authenticated


def test_questions_are_events_too():
    connection = ready()
    assert exchange(connection, b"VRFY bob", Reply(252)) == Vrfy("bob")
    assert exchange(connection, b"RSET") == Rset()
