"""What is fed with arbitrary octets, and what must hold whatever they are.

A target takes octets and returns if all is well. The errors that a parser promises are caught
here; any other exception is a finding. Each has a folder of inputs in `corpus`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from delivery.agent.tls import UNREADABLE
from delivery.policy import dane, mtasts
from delivery.smtp import (
    NEED_DATA,
    AddressError,
    BadCommand,
    ClientConnection,
    Command,
    ConnectionClosed,
    ContentChunk,
    ContentReceived,
    Data,
    Ehlo,
    EnhancedCode,
    Extensions,
    LocalProtocolError,
    Mail,
    Rcpt,
    RemoteProtocolError,
    Reply,
    ReplyParser,
    ServerConnection,
    StartTls,
    Unknown,
)
from delivery.smtp.content import ContentReader, ContentWriter
from delivery.smtp.limits import MAX_COMMAND_LINE, MAX_REPLY_LINE
from delivery.smtp.parsing import parse_auth_response, parse_command
from mailweb.lib import addresses
from mailweb.webmail.mime import parse as mime
from tests.fakes.certificates import START, self_signed
from tests.fuzz.log_ins import log_ins

ABLE = Extensions(
    hostname="mx.fuzz.test",
    size=1000,
    pipelining=True,
    eightbitmime=True,
    smtputf8=True,
    starttls=True,
    requiretls=True,
    chunking=True,
    dsn=True,
    auth=("PLAIN",),
)
CHAIN = (self_signed("mx.fuzz.test").certificate,)
OK, GO_ON = Reply(250, None, ("Ok",)), Reply(354, None, ("Go on",))


def pieces(data: bytes) -> list[bytes]:
    """Cut what follows the first octet into pieces as large as that octet says; 0: whole."""
    size, body = (data[0] if data else 0), data[1:]
    size = size or max(1, len(body))
    return [body[start : start + size] for start in range(0, len(body), size)]


def replies(data: bytes) -> None:
    """However the network cuts, the same replies come out, and each can be written again."""
    whole = _replies(pieces(b"\0" + data[1:]))
    assert _replies(pieces(data)) == whole
    for reply in whole[0]:
        again, is_broken = _replies([reply.to_bytes()])
        if max(map(len, reply.to_bytes().split(b"\n"))) + 1 < MAX_REPLY_LINE:
            assert not is_broken
            assert [one.whole for one in again] == [reply.whole]


def _replies(chunks: list[bytes]) -> tuple[list[Reply], bool]:
    parser, found = ReplyParser(), []
    try:
        for chunk in chunks:
            parser.receive_data(chunk)
            while (reply := parser.next_reply()) is not None:
                found.append(reply)
    except RemoteProtocolError:
        return found, True
    return found, False


def codes(data: bytes) -> None:
    """An enhanced code that is read is read again from what it is written as."""
    text = data.decode("utf-8", "replace")
    code = EnhancedCode.parse(text)
    if code is not None:
        assert code.class_ in (2, 4, 5)
        assert EnhancedCode.parse(str(code)) == code


def ehlo(data: bytes) -> None:
    """What an EHLO reply announces is understood the same when it is announced again."""
    lines = tuple(line.decode("utf-8", "replace") for line in data.split(b"\n"))
    try:
        reply = Reply(250, None, lines)
    except LocalProtocolError:
        return
    announced = Extensions.from_reply(reply)
    limits = announced.limits
    for limit in (limits.rcptmax, limits.mailmax, limits.rcptdomainmax):
        assert limit is None or 0 < limit < 10**6
    assert announced.size is None or announced.size >= 0
    again = Extensions.from_reply(announced.to_reply())
    assert (again.limits, again.size, again.auth) == (limits, announced.size, announced.auth)
    assert again.chunking == announced.chunking
    assert again.requiretls == announced.requiretls


def commands(data: bytes) -> None:
    """A line is a command that can be written and read again, or gets its reply."""
    for parse in (parse_command, parse_auth_response):
        try:
            command: Command = parse(data)
        except RemoteProtocolError:
            continue
        if isinstance(command, Unknown):
            continue
        wire = command.to_bytes()
        assert wire.endswith(b"\r\n")
        assert not set(wire[:-2]) & {0, 10, 13}
        # Written out, a line may be longer than it was: then it is too long to be read again.
        if len(wire) <= MAX_COMMAND_LINE:
            assert parse(wire[:-2]) == command, wire


def client(data: bytes) -> None:
    """A server that says anything is believed in order, or not at all."""
    connection = ClientConnection()
    plan: Iterator[tuple[Command, ...]] = iter(
        ((Ehlo("fuzz.test"),), (Mail("a@fuzz.test"), Rcpt("b@fuzz.test")), (Data(),), (StartTls(),))
    )
    asked, answered = 1, 0
    try:
        for piece in [*pieces(data), b""]:
            connection.receive_data(piece)
            while (event := connection.next_event()) is not NEED_DATA:
                if isinstance(event, ConnectionClosed):
                    assert not connection.pending
                    return
                answered += event.reply.code != 421
                assert answered <= asked
                if not connection.pending:
                    asked += _say(connection, next(plan, ()))
    except RemoteProtocolError:
        for _ in range(2):
            try:
                connection.next_event()
            except RemoteProtocolError:
                continue
            raise AssertionError("A broken connection speaks again.") from None


def _say(connection: ClientConnection, wanted: tuple[Command, ...]) -> int:
    try:
        connection.send_all(wanted)
    except LocalProtocolError:
        return 0
    return len(wanted)


def server(data: bytes) -> None:
    """A client that says anything gets one reply for each thing it says, however it is cut."""
    whole = _listen(pieces(b"\0" + data[1:]))
    assert _listen(pieces(data)) == whole


def _listen(chunks: list[bytes]) -> tuple[list[object], bool]:
    """Return all that was heard, and whether the protocol was broken."""
    connection = ServerConnection(ABLE, tls=True)
    connection.greeting()
    heard: list[object] = []
    kept = b""
    try:
        for chunk in [*chunks, b""]:
            connection.receive_data(chunk)
            while (event := connection.next_event()) is not NEED_DATA:
                if isinstance(event, ContentChunk):
                    kept += event.data
                    continue
                heard.append(event)
                if isinstance(event, ConnectionClosed):
                    return heard, False
                if isinstance(event, ContentReceived):
                    # Of content that is too large as much is kept as came in one piece.
                    heard.append(b"" if event.problem else kept)
                    kept = b""
                connection.reply(_reply_to(connection, event))
    except RemoteProtocolError:
        return heard, True
    raise AssertionError("The end of the connection was not told.")


def _reply_to(connection: ServerConnection, event: object) -> Reply:
    match event:
        case BadCommand():
            return event.reply
        case Ehlo():
            return connection.hello_reply(event)
        case Data():
            return GO_ON
        case ContentReceived():
            return event.problem or OK
        case _:
            return OK


def content(data: bytes) -> None:
    """What a writer stuffs a reader gets back; nothing in it ends it, nothing behind it is lost."""
    writer, reader = ContentWriter(), ContentReader()
    chunks = pieces(data)
    try:
        wire = [*(writer.feed(chunk) for chunk in chunks), writer.finish()]
    except LocalProtocolError:
        return
    got, rest = b"", b""
    for chunk in _recut(b"".join(wire) + b"QUIT\r\n", len(data) % 7 + 1):
        if reader.is_done:
            rest += chunk
            continue
        found, behind = reader.feed(chunk)
        got += found
        rest += behind
    assert reader.is_done
    assert (got, rest) == (b"".join(chunks), b"QUIT\r\n")


def _recut(wire: bytes, size: int) -> list[bytes]:
    return [wire[start : start + size] for start in range(0, len(wire), size)]


def mailboxes(data: bytes) -> None:
    """An address that a person may write is one that SMTP can carry, and reads the same again."""
    text = data.decode("utf-8", "replace")
    for piece in addresses.split(text)[:20]:
        assert piece
        try:
            address = addresses.parse(piece)
        except addresses.InvalidAddressError:
            continue
        assert addresses.parse(address.spec).spec == address.spec
        assert addresses.domain_to_ascii(address.domain_unicode) == address.domain_ascii
        assert b"\r\n" not in Rcpt(address.spec).to_bytes()[:-2]


def paths(data: bytes) -> None:
    """An address that SMTP takes is not two, and not a command."""
    try:
        rcpt = Rcpt(data.decode("utf-8", "replace"))
    except (AddressError, LocalProtocolError):
        return
    assert parse_command(rcpt.to_bytes()[:-2]) == rcpt


def mta_sts(data: bytes) -> None:
    """A policy that is read is within its bounds, and its patterns name hosts."""
    text = data.decode("utf-8", "replace")
    try:
        mtasts.parse_record(text.split("\n"))
    except mtasts.PolicySyntaxError:
        pass
    try:
        policy = mtasts.parse_policy(text)
    except mtasts.PolicySyntaxError:
        return
    assert 0 <= policy.max_age.total_seconds() <= mtasts.LONGEST_MAX_AGE
    for pattern in policy.mx:
        assert pattern.isascii()
        assert pattern == pattern.lower()
        name = pattern.replace("*.", "host.", 1) if pattern.startswith("*.") else pattern
        assert mtasts.matches_any(name, policy.mx)
        assert not mtasts.matches_any(f"more.{name}", [pattern])


def tlsa(data: bytes) -> None:
    """Records that are damaged are none; no set of records makes anything fail."""
    records = [dane.parse_record(line) for line in data.decode("utf-8", "replace").split("\n")]
    whole = [record for record in records if record is not None]
    good = dane.usable(whole)
    assert set(good) <= set(whole)
    try:
        check = dane.check(CHAIN, whole, names=("mx.fuzz.test",), now=START)
    except UNREADABLE:
        return  # certificates in records may be damaged inside; what looks at a session knows
    assert not check.proofs


def messages(data: bytes) -> None:
    """Any octets are a message that can be shown, and each of its parts can be saved."""
    message = mime.parse(data)
    assert "\r" not in message.subject
    assert "\n" not in message.subject
    assert "\0" not in message.text + message.subject + message.snippet
    assert isinstance(message.readable_text, str)
    for number, info in zip(count(), message.attachments, strict=False):
        if number > 20:
            break
        found = mime.part(data, info.path)
        assert found is not None
        assert "/" not in found.info.name
        assert "\n" not in found.info.name


TARGETS: dict[str, Callable[[bytes], None]] = {
    "replies": replies,
    "codes": codes,
    "ehlo": ehlo,
    "commands": commands,
    "client": client,
    "server": server,
    "content": content,
    "mailboxes": mailboxes,
    "paths": paths,
    "mta_sts": mta_sts,
    "tlsa": tlsa,
    "messages": messages,
    "log_ins": log_ins,
}
"""Every target by the name of its folder in `corpus`."""
