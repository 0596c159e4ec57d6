from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.smtp import (
    NEED_DATA,
    TIMEOUTS,
    Auth,
    AuthCancel,
    AuthResponse,
    Bdat,
    Body,
    ClientConnection,
    Command,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfData,
    EnhancedCode,
    Extensions,
    Helo,
    LocalProtocolError,
    Mail,
    Noop,
    Notify,
    Phase,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    Ret,
    Rset,
    StartTls,
    State,
    Vrfy,
)
from delivery.smtp.client import ClientEvent
from delivery.smtp.limits import MAX_UNREAD
from tests.unit.smtp.pieces import octets

ALICE = "alice@mailweb.test"
BOB = Rcpt("bob@dane.test")
CHARLIE = Rcpt("charlie@dane.test")
EVERYTHING = (
    "PIPELINING",
    "SIZE 1000",
    "8BITMIME",
    "SMTPUTF8",
    "STARTTLS",
    "CHUNKING",
    "DSN",
    "AUTH PLAIN SCRAM-SHA-256",
)


def hear(connection: ClientConnection, wire: bytes) -> list[ClientEvent]:
    connection.receive_data(wire)
    return events(connection)


def events(connection: ClientConnection) -> list[ClientEvent]:
    found: list[ClientEvent] = []
    while (event := connection.next_event()) is not NEED_DATA:
        found.append(event)
        if isinstance(event, ConnectionClosed):
            break
    return found


def codes(found: list[ClientEvent]) -> list[tuple[Command | None, int]]:
    return [
        (event.command, event.reply.code) for event in found if isinstance(event, ReplyReceived)
    ]


def ask(connection: ClientConnection, command: Command, wire: bytes) -> ReplyReceived:
    connection.send(command)
    (event,) = hear(connection, wire)
    assert isinstance(event, ReplyReceived)
    return event


def state(connection: ClientConnection) -> State:
    return connection.state


def phase(connection: ClientConnection) -> Phase:
    return connection.phase


def ready(*keywords: str, tls: bool = False) -> ClientConnection:
    """Return a connection that has been greeted and told `keywords`."""
    connection = ClientConnection(tls=tls)
    hear(connection, b"220 mx.dane.test ESMTP\r\n")
    lines = ("mx.dane.test", *keywords)
    ask(connection, Ehlo("mail.mailweb.test"), Reply(250, None, lines).to_bytes())
    assert state(connection) is State.READY
    return connection


def in_content(*keywords: str, body: Body | None = None) -> ClientConnection:
    connection = ready(*keywords)
    ask(connection, Mail(ALICE, body=body), b"250 Ok\r\n")
    ask(connection, BOB, b"250 Ok\r\n")
    ask(connection, Data(), b"354 Go on\r\n")
    assert state(connection) is State.CONTENT
    return connection


def test_a_message_from_greeting_to_quit():
    connection = ClientConnection()
    assert phase(connection) is Phase.GREETING
    (greeting,) = hear(connection, b"220 mx.dane.test ESMTP\r\n")
    assert greeting == ReplyReceived(Reply(220, None, ("mx.dane.test ESMTP",)))
    assert phase(connection) is Phase.IDLE
    assert connection.send(Ehlo("mail.mailweb.test")) == b"EHLO mail.mailweb.test\r\n"
    assert phase(connection) is Phase.HELLO
    hear(connection, b"250-mx.dane.test\r\n250 SIZE 1000\r\n")
    assert connection.extensions == Extensions(hostname="mx.dane.test", size=1000)
    assert connection.send(Mail(ALICE, size=9)) == b"MAIL FROM:<alice@mailweb.test> SIZE=9\r\n"
    assert phase(connection) is Phase.MAIL
    hear(connection, b"250 2.1.0 Ok\r\n")
    assert connection.send(BOB) == b"RCPT TO:<bob@dane.test>\r\n"
    assert phase(connection) is Phase.RCPT
    hear(connection, b"250 2.1.5 Ok\r\n")
    assert connection.send(Data()) == b"DATA\r\n"
    assert phase(connection) is Phase.DATA
    hear(connection, b"354 Go on\r\n")
    assert phase(connection) is Phase.CONTENT
    assert connection.send_content(b".Hello\r\n") == b"..Hello\r\n.\r\n"
    assert phase(connection) is Phase.END_OF_DATA
    (event,) = hear(connection, b"250 2.0.0 Taken\r\n")
    taken = Reply(250, EnhancedCode(2, 0, 0), ("Taken",))
    assert event == ReplyReceived(taken, EndOfData())
    assert state(connection) is State.READY
    assert connection.send(Quit()) == b"QUIT\r\n"
    assert phase(connection) is Phase.QUIT
    hear(connection, b"221 Bye\r\n")
    assert state(connection) is State.CLOSING
    assert hear(connection, b"") == [ConnectionClosed(is_clean=True)]
    assert state(connection) is State.CLOSED


def test_need_data_shows_as_its_name():
    assert repr(ClientConnection().next_event()) == "NEED_DATA"


def test_every_phase_has_a_time_out():
    assert set(TIMEOUTS) == set(Phase)
    assert TIMEOUTS[Phase.END_OF_DATA] == 600


def test_pipelined_commands_are_answered_in_order():
    connection = ready(*EVERYTHING)
    commands = [Mail(ALICE), BOB, CHARLIE, Data()]
    assert connection.send_all(commands).count(b"\r\n") == 4
    assert connection.pending == tuple(commands)
    found = hear(connection, b"250 Ok\r\n550 No\r\n250 Ok\r\n354 Go on\r\n")
    assert codes(found) == list(zip(commands, (250, 550, 250, 354), strict=True))
    assert state(connection) is State.CONTENT


@pytest.mark.parametrize(
    ("replies", "leads_to"),
    [
        (b"250 Ok\r\n250 Ok\r\n354 Go on\r\n", State.CONTENT),
        (b"250 Ok\r\n250 Ok\r\n451 Not now\r\n", State.RCPT),
        (b"250 Ok\r\n550 No\r\n554 Nobody\r\n", State.MAIL),
        (b"550 No\r\n503 No\r\n503 No\r\n", State.READY),
        (b"250 Ok\r\n550 No\r\n354 Go on\r\n", State.DOT),
        (b"550 No\r\n503 No\r\n354 Go on\r\n", State.DOT),
        (b"550 No\r\n250 Odd\r\n354 Go on\r\n", State.DOT),
        (b"250 Ok\r\n250 Ok\r\n421 Leaving\r\n", State.CLOSING),
    ],
)
def test_where_pipelined_replies_lead(replies, leads_to):
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB, Data()])
    hear(connection, replies)
    assert connection.state is leads_to


@pytest.mark.parametrize("replies", [b"250 Ok\r\n550 No\r\n", b"550 No\r\n503 No\r\n"])
def test_lone_dot_answers_a_354_that_nobody_deserves(replies):
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB, Data()])
    hear(connection, replies + b"354 Go on\r\n")
    assert phase(connection) is Phase.CONTENT
    with pytest.raises(LocalProtocolError):
        connection.send_content(b"Hello\r\n")
    assert connection.send_content(b"") == b".\r\n"
    assert codes(hear(connection, b"554 No recipients\r\n")) == [(EndOfData(), 554)]
    assert state(connection) is State.READY


def test_recipients_refused_and_more_of_them_behind():
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB])
    connection.send_all([CHARLIE, Data()])
    found = hear(connection, b"250 Ok\r\n452 Full\r\n250 Ok\r\n354 Go on\r\n")
    assert [code for _, code in codes(found)] == [250, 452, 250, 354]
    assert connection.send_content(b"Hello\r\n") == b"Hello\r\n.\r\n"


def test_next_message_may_be_pipelined_behind_the_dot():
    connection = in_content("PIPELINING")
    wire = connection.send_content(b"") + connection.send_all([Mail(ALICE), BOB, Data()])
    assert wire.startswith(b".\r\nMAIL")
    found = hear(connection, b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go on\r\n")
    assert [command for command, _ in codes(found)] == [EndOfData(), Mail(ALICE), BOB, Data()]
    assert state(connection) is State.CONTENT


@pytest.mark.parametrize("keywords", [(), ("SIZE",)])
def test_nothing_is_pipelined_unless_announced(keywords):
    connection = ready(*keywords)
    with pytest.raises(LocalProtocolError, match="PIPELINING"):
        connection.send_all([Mail(ALICE), BOB])
    connection.send(Mail(ALICE))
    with pytest.raises(LocalProtocolError, match="PIPELINING"):
        connection.send(BOB)


@pytest.mark.parametrize(
    "last", [Ehlo("a"), Helo("a"), StartTls(), Auth("PLAIN"), Noop(), Vrfy("bob"), Quit()]
)
def test_some_commands_must_be_the_last_of_a_group(last):
    connection = ready(*EVERYTHING)
    with pytest.raises(LocalProtocolError, match="behind"):
        connection.send_all([last, Mail(ALICE)])
    connection.send_all([Rset(), last])
    with pytest.raises(LocalProtocolError, match="behind"):
        connection.send(Mail(ALICE))


def test_a_group_that_is_refused_leaves_no_trace():
    connection = ready(*EVERYTHING)
    with pytest.raises(LocalProtocolError):
        connection.send_all(
            [Mail(ALICE, smtputf8=True), BOB, BOB, Rcpt("x@y.test", other=(("X", None),))]
        )
    assert connection.pending == ()
    assert connection.send(Mail(ALICE))


@pytest.mark.parametrize(
    "command", [BOB, Data(), AuthResponse(b""), AuthCancel(), EndOfData(), Bdat(0, last=True)]
)
def test_command_out_of_order_is_not_sent(command):
    with pytest.raises(LocalProtocolError):
        ready(*EVERYTHING).send(command)


@pytest.mark.parametrize("command", [Ehlo("a"), Mail(ALICE), Quit()])
def test_nothing_is_said_before_the_greeting(command):
    with pytest.raises(LocalProtocolError):
        ClientConnection().send(command)


@pytest.mark.parametrize("command", [Mail(ALICE), StartTls(), Auth("PLAIN")])
def test_ehlo_comes_first(command):
    connection = ClientConnection()
    hear(connection, b"220 mx.dane.test\r\n")
    with pytest.raises(LocalProtocolError):
        connection.send(command)


def test_data_needs_a_recipient():
    connection = ready(*EVERYTHING)
    ask(connection, Mail(ALICE), b"250 Ok\r\n")
    ask(connection, BOB, b"550 No\r\n")
    with pytest.raises(LocalProtocolError):
        connection.send(Data())


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (Mail(ALICE, size=1), "SIZE"),
        (Mail(ALICE, body=Body.SEVEN_BIT), "8BITMIME"),
        (Mail(ALICE, smtputf8=True), "SMTPUTF8"),
        (Mail(ALICE, requiretls=True), "REQUIRETLS"),
        (Mail(ALICE, ret=Ret.FULL), "DSN"),
        (Mail(ALICE, envid="1"), "DSN"),
        (Mail(ALICE, auth="<>"), "AUTH"),
        (Mail(ALICE, other=(("X-NEW", None),)), "X-NEW"),
        (StartTls(), "STARTTLS"),
        (Auth("PLAIN"), "AUTH"),
    ],
)
def test_nothing_is_used_that_was_not_announced(command, missing):
    with pytest.raises(LocalProtocolError, match=missing):
        ready("HELP", tls=True).send(command)


@pytest.mark.parametrize(
    "recipient",
    [
        Rcpt("bob@dane.test", notify=frozenset({Notify.NEVER})),
        Rcpt("bob@dane.test", orcpt="rfc822;bob@dane.test"),
        Rcpt("bob@dane.test", other=(("X-NEW", "1"),)),
    ],
)
def test_recipient_parameters_need_their_extension(recipient):
    connection = ready()
    ask(connection, Mail(ALICE), b"250 Ok\r\n")
    with pytest.raises(LocalProtocolError):
        connection.send(recipient)


def test_mechanism_that_is_not_announced_is_not_tried():
    with pytest.raises(LocalProtocolError, match="AUTH"):
        ready(*EVERYTHING).send(Auth("LOGIN"))


def test_requiretls_is_sent_inside_tls_only():
    mail = Mail(ALICE, requiretls=True)
    assert ready("REQUIRETLS", tls=True).send(mail).endswith(b" REQUIRETLS\r\n")
    with pytest.raises(LocalProtocolError, match="TLS"):
        ready("REQUIRETLS").send(mail)


def test_letters_beyond_ascii_need_smtputf8():
    elene = "\u00e9l\u00e8ne@eai.test"
    connection = ready(*EVERYTHING)
    with pytest.raises(LocalProtocolError, match="SMTPUTF8"):
        connection.send(Mail(elene))
    with pytest.raises(LocalProtocolError, match="SMTPUTF8"):
        connection.send_all([Mail(ALICE), Rcpt(elene)])
    wire = connection.send_all([Mail(elene, smtputf8=True), Rcpt(elene)])
    assert wire.count(elene.encode()) == 2
    hear(connection, b"250 Ok\r\n250 Ok\r\n")
    connection.send(Rset())
    hear(connection, b"250 Ok\r\n")
    with pytest.raises(LocalProtocolError, match="SMTPUTF8"):
        connection.send_all([Mail(ALICE), Rcpt(elene)])


def test_dsn_parameters_are_sent_where_announced():
    connection = ready(*EVERYTHING)
    wire = connection.send_all(
        [
            Mail(ALICE, ret=Ret.HEADERS, envid="7"),
            Rcpt("bob@dane.test", notify=frozenset({Notify.FAILURE}), orcpt="rfc822;bob@dane.test"),
        ]
    )
    assert wire == (
        b"MAIL FROM:<alice@mailweb.test> RET=HDRS ENVID=7\r\n"
        b"RCPT TO:<bob@dane.test> NOTIFY=FAILURE ORCPT=rfc822;bob@dane.test\r\n"
    )


# STARTTLS


def test_what_was_said_before_tls_is_forgotten():
    connection = ready("STARTTLS", "SIZE 1", "LIMITS RCPTMAX=1", "REQUIRETLS", "AUTH PLAIN")
    assert connection.send(StartTls()) == b"STARTTLS\r\n"
    assert phase(connection) is Phase.STARTTLS
    hear(connection, b"220 Go on\r\n")
    assert (connection.state, connection.phase) == (State.TLS_DUE, Phase.TLS)
    assert connection.next_event() is NEED_DATA
    with pytest.raises(LocalProtocolError):
        connection.send(Ehlo("mail.mailweb.test"))
    connection.tls_started()
    assert connection.tls
    assert connection.extensions == Extensions()
    with pytest.raises(LocalProtocolError):
        connection.send(Mail(ALICE))
    ask(connection, Ehlo("mail.mailweb.test"), b"250-mx.dane.test\r\n250 STARTTLS\r\n")
    assert connection.extensions == Extensions(hostname="mx.dane.test", starttls=True)
    with pytest.raises(LocalProtocolError, match="already"):
        connection.send(StartTls())


def test_refused_starttls_changes_nothing():
    connection = ready(*EVERYTHING)
    event = ask(connection, StartTls(), b"454 4.7.0 Not now\r\n")
    assert event.reply.is_transient
    assert (connection.state, connection.extensions.size) == (State.READY, 1000)
    with pytest.raises(LocalProtocolError):
        connection.tls_started()


@pytest.mark.parametrize("tail", [b"2", b"250 Ok\r\n", b"\r\n", b"\n", b"\0"])
def test_clear_text_in_one_piece_with_the_reply_to_starttls_is_refused(tail):
    connection = ready(*EVERYTHING)
    connection.send(StartTls())
    connection.receive_data(b"220 Go on\r\n" + tail)
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="Clear text"):
            connection.next_event()
    assert state(connection) is State.BROKEN
    with pytest.raises(LocalProtocolError):
        connection.tls_started()


def test_clear_text_after_the_reply_to_starttls_is_refused():
    connection = ready(*EVERYTHING)
    ask(connection, StartTls(), b"220 Go on\r\n")
    connection.receive_data(b"250 Injected\r\n")
    with pytest.raises(RemoteProtocolError, match="Clear text"):
        connection.next_event()


def test_clear_text_that_nobody_asked_about_is_found_when_tls_starts():
    connection = ready(*EVERYTHING)
    ask(connection, StartTls(), b"220 Go on\r\n")
    connection.receive_data(b"2")
    with pytest.raises(RemoteProtocolError, match="Clear text"):
        connection.tls_started()
    assert not connection.tls


# AUTH


def test_authentication_with_challenges():
    connection = ready(*EVERYTHING)
    assert connection.send(Auth("SCRAM-SHA-256", b"n,,")) == b"AUTH SCRAM-SHA-256 biws\r\n"
    assert phase(connection) is Phase.AUTH
    (event,) = hear(connection, Reply.challenge(b"r=1").to_bytes())
    assert isinstance(event, ReplyReceived)
    assert event.reply.decode_challenge() == b"r=1"
    assert (connection.state, connection.phase) == (State.AUTH, Phase.AUTH)
    with pytest.raises(LocalProtocolError):
        connection.send(Mail(ALICE))
    ask(connection, AuthResponse(b"c=biws"), Reply.challenge(b"v=1").to_bytes())
    assert state(connection) is State.AUTH
    ask(connection, AuthResponse(b""), b"235 2.7.0 Welcome\r\n")
    assert state(connection) is State.READY
    assert connection.is_authenticated
    with pytest.raises(LocalProtocolError, match="authentication"):
        connection.send(Auth("PLAIN"))


def test_authentication_in_one_step_and_refused():
    connection = ready(*EVERYTHING)
    ask(connection, Auth("PLAIN", b"\0a\0b"), b"535 5.7.8 No\r\n")
    assert (connection.state, connection.is_authenticated) == (State.READY, False)
    ask(connection, Auth("PLAIN", b"\0a\0c"), b"235 2.7.0 Yes\r\n")
    assert (connection.state, connection.is_authenticated) == (State.READY, True)


def test_authentication_can_be_given_up():
    connection = ready(*EVERYTHING)
    ask(connection, Auth("PLAIN"), b"334 \r\n")
    ask(connection, AuthCancel(), b"501 5.7.0 Given up\r\n")
    assert (connection.state, connection.is_authenticated) == (State.READY, False)


# Content


def test_content_in_pieces():
    connection = in_content()
    wire = b"".join(map(connection.send_content_piece, octets(b".a\r\n.\r\n")))
    assert wire + connection.end_content() == b"..a\r\n..\r\n.\r\n"
    assert phase(connection) is Phase.END_OF_DATA


def test_content_is_sent_once():
    connection = in_content("PIPELINING")
    connection.send_content(b"Hello\r\n")
    for again in (connection.end_content, lambda: connection.send_content_piece(b"a")):
        with pytest.raises(LocalProtocolError):
            again()


@pytest.mark.parametrize("command", [EndOfData(), Bdat(0, last=True)])
def test_content_has_its_own_methods(command):
    connection = in_content(*EVERYTHING)
    if isinstance(command, Bdat):
        connection = ready(*EVERYTHING)
        connection.send_all([Mail(ALICE), BOB])
    with pytest.raises(LocalProtocolError, match="own methods"):
        connection.send(command)


def test_content_is_not_due_before_the_354():
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB, Data()])
    for early in (connection.end_content, lambda: connection.send_content(b"a\r\n")):
        with pytest.raises(LocalProtocolError):
            early()


def test_content_refused_is_a_reply_and_the_connection_lives_on():
    connection = in_content()
    connection.send_content(b"Hello\r\n")
    (event,) = hear(connection, b"552 5.3.4 Too large\r\n")
    assert isinstance(event, ReplyReceived)
    assert (event.command, event.reply.is_permanent) == (EndOfData(), True)
    assert state(connection) is State.READY
    assert not connection.needs_reset


def test_eight_bits_are_sent_only_as_promised():
    content = "caf\u00e9\r\n".encode()
    for body in (None, Body.SEVEN_BIT):
        with pytest.raises(LocalProtocolError, match="8BITMIME"):
            in_content("8BITMIME", body=body).send_content(content)
    connection = in_content("8BITMIME", body=Body.EIGHT_BIT_MIME)
    assert connection.send_content(content) == content + b".\r\n"


# CHUNKING


def test_a_message_in_one_write():
    connection = ready(*EVERYTHING)
    wire = connection.send_all([Mail(ALICE), BOB]) + connection.send_chunk(b".\r\n", last=True)
    assert wire.endswith(b"BDAT 3 LAST\r\n.\r\n")
    found = hear(connection, b"250 Ok\r\n250 Ok\r\n250 Taken\r\n")
    assert codes(found)[-1] == (Bdat(3, last=True), 250)
    assert state(connection) is State.READY


def test_a_message_in_chunks():
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB])
    assert connection.send_chunk(b"a\r", last=False) == b"BDAT 2\r\na\r"
    hear(connection, b"250 Ok\r\n250 Ok\r\n250 Ok\r\n")
    assert (connection.state, connection.phase) == (State.CHUNKS, Phase.CONTENT)
    with pytest.raises(LocalProtocolError):
        connection.send(BOB)
    with pytest.raises(LocalProtocolError):
        connection.send(Data())
    assert connection.send_chunk(b"\n", last=True) == b"BDAT 1 LAST\r\n\n"
    assert phase(connection) is Phase.END_OF_DATA
    hear(connection, b"250 Taken\r\n")
    assert state(connection) is State.READY


@pytest.mark.parametrize("last", [True, False])
def test_a_refused_chunk_fails_the_transaction(last):
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB])
    connection.send_chunk(b"a\r\n", last=last)
    hear(connection, b"250 Ok\r\n250 Ok\r\n452 Full\r\n")
    assert state(connection) is State.FAILED
    assert connection.needs_reset
    with pytest.raises(LocalProtocolError):
        connection.send_chunk(b"b\r\n", last=True)
    ask(connection, Rset(), b"250 Ok\r\n")
    assert state(connection) is State.READY


def test_chunk_nobody_was_to_get():
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB])
    connection.send_chunk(b"a\r\n", last=True)
    hear(connection, b"250 Ok\r\n550 No\r\n503 Nobody\r\n")
    assert state(connection) is State.MAIL
    assert connection.needs_reset


@pytest.mark.parametrize("chunks", [(b"a\nb",), (b"a\r", b"b"), (b"a\r",)])
def test_lone_cr_or_lf_is_not_sent_in_chunks(chunks):
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB])
    *first, last = chunks
    for chunk in first:
        connection.send_chunk(chunk, last=False)
    with pytest.raises(LocalProtocolError, match="alone"):
        connection.send_chunk(last, last=True)


def test_half_a_line_end_of_a_given_up_message_does_not_touch_the_next():
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB])
    connection.send_chunk(b"a\r", last=False)
    connection.send_all([Rset(), Mail(ALICE), BOB])
    assert connection.send_chunk(b"b\r\n", last=True) == b"BDAT 3 LAST\r\nb\r\n"


def test_eight_bits_in_a_chunk_need_a_promise():
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB])
    with pytest.raises(LocalProtocolError, match="8BITMIME"):
        connection.send_chunk(b"\xff\r\n", last=True)


def test_chunks_need_chunking():
    connection = ready("PIPELINING")
    connection.send_all([Mail(ALICE), BOB])
    with pytest.raises(LocalProtocolError, match="CHUNKING"):
        connection.send_chunk(b"a\r\n", last=True)


# When the server leaves


def test_refusal_before_an_early_close_is_told_first():
    connection = ready(*EVERYTHING)
    commands = [Mail(ALICE), BOB, Data()]
    connection.send_all(commands)
    connection.receive_data(b"550 5.7.1 Not from you\r\n")
    connection.receive_data(b"")
    refused, closed = events(connection)
    reply = Reply(550, EnhancedCode(5, 7, 1), ("Not from you",))
    assert refused == ReplyReceived(reply, commands[0])
    assert closed == ConnectionClosed(is_clean=False, unanswered=(BOB, Data()))


def test_each_recipient_keeps_its_reply_when_the_server_leaves_before_data():
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB, CHARLIE, Data()])
    connection.receive_data(b"250 Ok\r\n554 5.7.1 Not you\r\n450 4.2.1 Later\r\n35")
    connection.receive_data(b"")
    *replies, closed = events(connection)
    assert codes(replies)[1:] == [(BOB, 554), (CHARLIE, 450)]
    assert closed == ConnectionClosed(unanswered=(Data(),))


def test_the_end_is_told_again_and_again():
    connection = ready()
    connection.send(Mail(ALICE))
    connection.receive_data(b"")
    assert (
        connection.next_event()
        == connection.next_event()
        == ConnectionClosed(unanswered=(Mail(ALICE),))
    )
    assert state(connection) is State.CLOSED
    with pytest.raises(LocalProtocolError):
        connection.send(Quit())
    with pytest.raises(LocalProtocolError):
        connection.receive_data(b"250 Ghost\r\n")


def test_421_may_come_out_of_the_blue():
    connection = ready()
    (event,) = hear(connection, b"421 4.3.2 Shutting down\r\n")
    assert isinstance(event, ReplyReceived)
    assert event.command is None
    assert state(connection) is State.CLOSING
    with pytest.raises(LocalProtocolError):
        connection.send(Mail(ALICE))
    assert hear(connection, b"") == [ConnectionClosed(is_clean=True)]


def test_421_answers_the_oldest_command_and_quit_is_still_polite():
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB])
    assert codes(hear(connection, b"421 Leaving\r\n")) == [(Mail(ALICE), 421)]
    assert hear(connection, b"") == [ConnectionClosed(is_clean=True, unanswered=(BOB,))]
    connection = ready()
    hear(connection, b"421 Leaving\r\n")
    assert connection.send(Quit()) == b"QUIT\r\n"


def test_421_as_greeting():
    connection = ClientConnection()
    assert codes(hear(connection, b"421 Busy\r\n")) == [(None, 421)]
    assert state(connection) is State.CLOSING


@pytest.mark.parametrize("greeting", [b"554 Go away\r\n", b"451 Not now\r\n"])
def test_refusing_greeting_leaves_only_quit(greeting):
    connection = ClientConnection()
    hear(connection, greeting)
    assert (connection.state, connection.phase) == (State.CLOSING, Phase.QUIT)
    with pytest.raises(LocalProtocolError):
        connection.send(Ehlo("mail.mailweb.test"))
    assert connection.send(Quit())


def test_close_instead_of_a_greeting():
    assert hear(ClientConnection(), b"") == [ConnectionClosed()]


def test_server_from_before_extensions():
    connection = ClientConnection()
    hear(connection, b"220 mx.plain.test\r\n")
    ask(connection, Ehlo("mail.mailweb.test"), b"502 What?\r\n")
    assert state(connection) is State.HELLO
    ask(connection, Helo("mail.mailweb.test"), b"250 mx.plain.test hello\r\n")
    assert connection.extensions == Extensions(hostname="mx.plain.test")
    assert connection.send(Mail(ALICE)) == b"MAIL FROM:<alice@mailweb.test>\r\n"


# When the server breaks the protocol


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        (None, b"250 Out of the blue\r\n"),
        (None, b"HTTP/1.1 400 Bad Request\r\n"),
        (Mail(ALICE), b"354 Go on\r\n"),
        (Mail(ALICE), b"250-Ok\r\n550 No\r\n"),
        (Noop(), b"250 Ok\r\n250 Ok\r\n"),
        (Noop(), b"150 Wait\r\n"),
        (Noop(), b"250 " + b"x" * 3000),
    ],
)
def test_what_does_not_fit_ends_all_trust(command, wire):
    connection = ready()
    if command is not None:
        connection.send(command)
    with pytest.raises(RemoteProtocolError):
        hear(connection, wire)
    assert state(connection) is State.BROKEN
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    with pytest.raises(LocalProtocolError):
        connection.send(Quit())


def test_success_is_no_reply_to_data():
    connection = ready()
    ask(connection, Mail(ALICE), b"250 Ok\r\n")
    ask(connection, BOB, b"250 Ok\r\n")
    connection.send(Data())
    with pytest.raises(RemoteProtocolError) as caught:
        hear(connection, b"250 Ok\r\n")
    assert caught.value.reply == Reply(250, None, ("Ok",))


def test_reply_in_the_middle_of_content_is_kept_with_the_error():
    connection = in_content()
    connection.send_content_piece(b"Hello\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        hear(connection, b"552 5.3.4 Enough\r\n")
    assert caught.value.reply == Reply(552, EnhancedCode(5, 3, 4), ("Enough",))


def test_server_that_sends_without_end_is_refused():
    connection = ready()
    connection.receive_data(b"250 Ok\r\n" * (MAX_UNREAD // 8 + 1))
    with pytest.raises(RemoteProtocolError, match="without end"):
        connection.receive_data(b"250 Ok\r\n")


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_random_bytes_do_no_more_than_break_the_connection(chunks):
    connection = ClientConnection()
    try:
        for chunk in chunks:
            if connection.state is State.HELLO and not connection.pending:
                connection.send(Ehlo("mail.mailweb.test"))
            hear(connection, chunk or b"\r\n")
    except RemoteProtocolError:
        assert state(connection) is State.BROKEN


@given(
    st.lists(
        st.sampled_from(
            [b"220", b"250", b"354", b"421", b"550", b"999", b" ", b"-", b"Ok", b"SIZE", b"\r\n"]
        ),
        max_size=30,
    )
)
def test_almost_replies_do_no_more_than_break_the_connection(words):
    connection = ready(*EVERYTHING)
    connection.send_all([Mail(ALICE), BOB, Data()])
    try:
        hear(connection, b"".join(words))
    except RemoteProtocolError:
        assert state(connection) is State.BROKEN
