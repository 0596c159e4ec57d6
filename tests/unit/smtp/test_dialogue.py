from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.smtp import (
    NEED_DATA,
    BadCommand,
    ConnectionClosed,
    ContentChunk,
    Data,
    Quit,
    RemoteProtocolError,
    Reply,
    Rset,
    ServerConnection,
    State,
)
from delivery.smtp.server import ServerEvent
from tests.unit.smtp.dialogue import EXTENSIONS, OK, Delivery, Dialogue
from tests.unit.smtp.pieces import cut

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)
lines = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"Hello"]), max_size=8)
contents = lines.map(lambda found: b"".join(line + b"\r\n" for line in found))
deliveries = st.builds(
    Delivery,
    content=contents,
    recipients=st.lists(
        st.sampled_from(["bob@dane.test", "charlie@dane.test", "nobody@dane.test"]),
        min_size=1,
        max_size=3,
    ).map(tuple),
    chunk_size=st.integers(0, 9),
)


def play(dialogue: Dialogue, messages: list[Delivery]) -> None:
    dialogue.start_tls()
    for message in messages:
        dialogue.deliver(message)
        if dialogue.client.needs_reset:
            dialogue.say(dialogue.client.send(Rset()))
    dialogue.say(dialogue.client.send(Quit()))


@settings(max_examples=40)
@given(st.lists(deliveries, max_size=4), sizes)
def test_both_sides_see_the_same_whatever_the_network_cuts(messages, pieces):
    whole, cut_up = Dialogue(), Dialogue(sizes=pieces)
    for dialogue in (whole, cut_up):
        play(dialogue, messages)
    assert cut_up.replies == whole.replies
    assert cut_up.mailbox.events == whole.mailbox.events
    assert cut_up.mailbox.messages == whole.mailbox.messages


@settings(max_examples=40)
@given(st.lists(deliveries, max_size=4), sizes)
def test_content_arrives_as_it_was_sent(messages, pieces):
    dialogue = Dialogue(sizes=pieces)
    play(dialogue, messages)
    deliverable = [
        message for message in messages if set(message.recipients) != {"nobody@dane.test"}
    ]
    assert dialogue.mailbox.messages == [message.content for message in deliverable]
    assert dialogue.client.state is dialogue.mailbox.connection.state is State.CLOSING
    assert not dialogue.client.pending


@settings(max_examples=40)
@given(st.lists(deliveries.map(lambda found: replace(found, chunk_size=0)), max_size=3), sizes)
def test_a_server_without_pipelining_gets_the_same_messages(messages, pieces):
    plain = Dialogue(replace(EXTENSIONS, pipelining=False), sizes=pieces)
    piped = Dialogue(sizes=pieces)
    for dialogue in (plain, piped):
        play(dialogue, messages)
    assert plain.mailbox.messages == piped.mailbox.messages


def test_every_recipient_gets_a_reply():
    dialogue = Dialogue()
    dialogue.start_tls()
    message = Delivery(content=b"Hello\r\n", recipients=("bob@dane.test", "nobody@dane.test"))
    assert dialogue.deliver(message) == [250, 250, 550, 354, 250]
    assert dialogue.deliver(replace(message, chunk_size=5)) == [250, 250, 550, 250, 250]
    assert dialogue.mailbox.messages == [b"Hello\r\n"] * 2


def test_one_large_message_goes_through():
    content = (b"." + b"x" * 76 + b"\r\n") * 60000
    dialogue = Dialogue(replace(EXTENSIONS, size=0), sizes=(65536,))
    dialogue.start_tls()
    message = Delivery(content=content, recipients=("bob@dane.test",))
    dialogue.deliver(message)
    dialogue.deliver(replace(message, chunk_size=10**6))
    assert dialogue.mailbox.messages == [content, content]


# After STARTTLS it does matter what comes in one piece; other tests look at that.
NO_TLS = replace(EXTENSIONS, starttls=False)
words = st.sampled_from(
    [
        b"EHLO a\r\n",
        b"MAIL FROM:<alice@mailweb.test>",
        b"RCPT TO:<bob@dane.test>",
        b"DATA",
        b"BDAT 3",
        b" LAST",
        b"BDAT 0 LAST",
        b"RSET",
        b"STARTTLS",
        b"AUTH PLAIN",
        b"QUIT",
        b" SIZE=10",
        b" BODY=8BITMIME",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b".",
        b".\r\n",
        b"\r\n.\r\n",
        b"\0",
        b"\xff",
        b"x" * 500,
    ]
)
noises = st.lists(words | st.binary(max_size=6), max_size=40).map(b"".join)


def listen(pieces: list[bytes]) -> tuple[list[ServerEvent], bytes, bool]:
    """Return the events, the content, and whether the protocol was broken."""
    connection = ServerConnection(NO_TLS)
    connection.greeting()
    events: list[ServerEvent] = []
    content = b""
    try:
        for piece in [*pieces, b""]:
            connection.receive_data(piece)
            while (event := connection.next_event()) is not NEED_DATA:
                if isinstance(event, ContentChunk):
                    content += event.data
                    continue
                events.append(event)
                if isinstance(event, ConnectionClosed):
                    break
                wanted = Reply(354) if isinstance(event, Data) else OK
                connection.reply(event.reply if isinstance(event, BadCommand) else wanted)
    except RemoteProtocolError:
        assert connection.state is State.BROKEN
        return events, content, True
    return events, content, False


@given(noises, st.data())
def test_a_server_understands_the_same_noise_in_any_pieces(noise, data):
    wire = b"EHLO a\r\n" + noise
    assert listen([wire]) == listen(data.draw(cut(wire)))
