"""The lab's MX hosts: Mailweb's own SMTP engine, made to behave as a profile says."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from delivery.lab.behaviour import Answer, Smtp, TlsTrouble, reply_of
from delivery.lab.mailbox import Accepted, TlsSeen, new_id
from delivery.lab.tls import TlsLayer
from delivery.smtp import (
    NEED_DATA,
    BadCommand,
    Command,
    ConnectionClosed,
    ContentChunk,
    ContentReceived,
    Data,
    Ehlo,
    Helo,
    Mail,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    Rset,
    ServerConnection,
    StartTls,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Question = Command | BadCommand | ContentReceived

_FORGED = b"250 2.0.0 forged before TLS\r\n"
_NO_TLS_HERE = b"500 5.5.2 That is no SMTP\r\n"
_ENOUGH = b"554 5.5.0 That is no way to speak SMTP\r\n"
_FINE = reply_of("250 2.0.0 Fine")
_SENDER_TAKEN = reply_of("250 2.1.0 Sender accepted")
_RECIPIENT_TAKEN = reply_of("250 2.1.5 Recipient accepted")
_GO_ON = reply_of("354 End with a dot on a line of its own")
_COUNTED = reply_of("250 2.0.0 Accepted")
_GOODBYE = reply_of("221 2.0.0 Goodbye")
_TLS_AGREED = reply_of("220 2.0.0 Go ahead")
_TLS_REFUSED = reply_of("454 4.7.0 TLS is not available")
_NO_RELAY = reply_of("550 5.7.1 We do not relay for that domain")
_NOBODY = reply_of("550 5.1.1 No such mailbox here")
_LATER = reply_of("450 4.2.1 The mailbox is busy, come back later")
_TOO_MANY = reply_of("452 4.5.3 Too many recipients")
_GREYLISTED = reply_of("450 4.7.1 Greylisted, please come back later")


@dataclass(kw_only=True)
class Counters:
    """What one host did since it was started."""

    connections: int = 0
    messages: int = 0
    recipients: int = 0
    octets: int = 0


@dataclass(kw_only=True)
class SmtpHost:
    """One listener: what it is called, how it behaves, and where accepted mail goes."""

    profile: str
    name: str
    domains: frozenset[str]
    smtp: Smtp
    keep: Callable[[Accepted], None] | None
    context: ssl.SSLContext | None = None
    pace: float = 1.0
    counters: Counters = field(default_factory=Counters)
    sessions: set[Session] = field(default_factory=set)
    greeted_pairs: set[tuple[str, str]] = field(default_factory=set)
    server_names: WeakKeyDictionary[ssl.SSLObject, str] = field(default_factory=WeakKeyDictionary)

    def __post_init__(self) -> None:
        if self.context is not None:
            self.context.sni_callback = self._note_server_name

    def _note_server_name(
        self, session: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> None:
        self.server_names[session] = name or ""

    def engine(self) -> ServerConnection:
        """Return the engine of the session that is the newest one now."""
        tls = self.smtp.tls
        has_tls = tls is not None and (
            tls.sessions is None or self.counters.connections <= tls.sessions
        )
        usual = replace(self.smtp.extensions, hostname=self.name)
        return ServerConnection(
            replace(usual, starttls=has_tls),
            tls_extensions=replace(usual, requiretls=self.smtp.has_requiretls),
        )

    def judge(self, mail_from: str, address: str, accepted: int) -> Reply:
        """Answer RCPT; `accepted` recipients came before it in this transaction."""
        local_part, _, domain = address.lower().rpartition("@")
        pair = (mail_from.lower(), address.lower())
        if domain not in self.domains:
            return _NO_RELAY
        if local_part in ("nobody", "later"):
            return _NOBODY if local_part == "nobody" else _LATER
        if accepted >= self.smtp.most_recipients:
            return _TOO_MANY
        if self.smtp.is_greylisting and pair not in self.greeted_pairs:
            self.greeted_pairs.add(pair)
            return _GREYLISTED
        return _RECIPIENT_TAKEN

    def forget(self) -> None:
        """Greet everybody as if for the first time, as it did when it was started."""
        self.greeted_pairs.clear()
        self.counters = Counters()

    def close(self) -> None:
        """End every session."""
        for session in list(self.sessions):
            session.abort()


@dataclass(kw_only=True)
class _Transaction:
    mail: Mail
    recipients: list[Rcpt] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)


class Session(asyncio.Protocol):
    """One client. The engine reads and writes SMTP; here is what a host says to it, and when."""

    def __init__(self, host: SmtpHost) -> None:
        self._host, self._smtp = host, host.smtp
        self._out = bytearray()
        self._tls: TlsLayer | None = None
        self._transaction: _Transaction | None = None
        self._helo = ""
        self._pause: asyncio.TimerHandle | None = None
        self._is_over = False
        self._is_deaf_to_tls = False

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._host.sessions.add(self)
        self._host.counters.connections += 1
        self._engine = self._host.engine()
        self._after(self._smtp.greets_after, self._greet)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Read what came, and answer it."""
        if self._is_deaf_to_tls:
            self._end(_NO_TLS_HERE)
            return
        try:
            if self._tls is not None:
                data = self._tls.receive(data)
            if data:
                self._engine.receive_data(data)
            if self._pause is not None:
                # Once is enough: until the pause is over the client's bytes wait in its kernel.
                self._transport.pause_reading()
            self._run()
        except ssl.SSLError:
            self._end()
        except RemoteProtocolError:
            self._end(_ENOUGH)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._is_over = True
        self._host.sessions.discard(self)
        if self._pause is not None:
            self._pause.cancel()

    def pause_writing(self) -> None:
        """Read nothing from a client that does not read."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection at once."""
        self._is_over = True
        self._transport.abort()

    # The dialogue.

    def _run(self) -> None:
        """Answer everything that has come, in one write."""
        while not self._is_over and self._pause is None:
            event = self._engine.next_event()
            if event is NEED_DATA or isinstance(event, ConnectionClosed):
                break
            if isinstance(event, ContentChunk):
                self._take(event.data)
                continue
            is_end = isinstance(event, ContentReceived) and event.is_last
            seconds = self._smtp.accepts_after if is_end else self._smtp.answers_after
            self._after(seconds, partial(self._answer, event))
        self._flush()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do `act` now, or once `seconds` have gone by; nothing else is done in the meantime."""
        if not seconds:
            act()
            return
        self._pause = asyncio.get_running_loop().call_later(
            seconds * self._host.pace, self._wake, act
        )

    def _wake(self, act: Callable[[], None]) -> None:
        self._pause = None
        self._transport.resume_reading()
        try:
            act()
            self._run()
        except RemoteProtocolError:
            self._end(_ENOUGH)

    def _flush(self) -> None:
        data = bytes(self._out)
        self._out.clear()
        if self._tls is not None:
            if data:
                self._tls.send(data)
            data = self._tls.outgoing()
        if data and not self._transport.is_closing():
            self._transport.write(data)
        if self._tls is not None and self._tls.is_closed:
            self._transport.close()

    def _end(self, last_words: bytes = b"") -> None:
        """Close in order; inside TLS, say so there."""
        self._is_over = True
        is_up = self._tls is not None and self._tls.is_up
        if is_up or self._tls is None:
            self._out += last_words
        self._flush()
        if self._tls is not None and is_up and not self._transport.is_closing():
            self._tls.say_goodbye()
            self._transport.write(self._tls.outgoing())
        self._transport.close()

    def _greet(self) -> None:
        own = self._smtp.answers.get("")
        self._out += self._engine.greeting(own.reply if own else None)
        if own is not None and own.closes:
            self._end()

    def _answer(self, event: Question) -> None:
        own = self._own_answer(event)
        if own is not None:
            self._out += self._engine.reply(own.reply)
            if own.closes:
                self._end()
        elif isinstance(event, StartTls):
            self._start_tls()
        else:
            self._out += self._engine.reply(self._usual(event))
            if isinstance(event, Quit):
                self._end()

    def _own_answer(self, event: Question) -> Answer | None:
        """Return what the profile says instead of the usual."""
        if isinstance(event, BadCommand):
            return None
        verb = type(event).__name__.upper()
        if isinstance(event, ContentReceived):
            verb = "." if event.is_last else "BDAT"
        return self._smtp.answers.get(verb)

    def _usual(self, event: Question) -> Reply:
        match event:
            case BadCommand():
                return event.reply
            case Ehlo() | Helo():
                self._helo, self._transaction = event.hostname, None
                return self._engine.hello_reply(event)
            case Mail():
                self._transaction = _Transaction(mail=event)
                return _SENDER_TAKEN
            case Rcpt() if self._transaction is not None:
                return self._rcpt(self._transaction, event)
            case Data():
                return _GO_ON
            case ContentReceived():
                return self._content(event)
            case Quit():
                return _GOODBYE
            case Rset():
                self._transaction = None
        return _FINE

    def _start_tls(self) -> None:
        trouble = self._smtp.tls.trouble if self._smtp.tls else TlsTrouble.NONE
        if self._host.context is None or trouble is TlsTrouble.REFUSED:
            self._out += self._engine.reply(_TLS_REFUSED)
            return
        self._out += self._engine.reply(_TLS_AGREED)
        if trouble is TlsTrouble.INJECTION:
            self._out += _FORGED
        self._flush()
        self._transaction = None
        if trouble is TlsTrouble.PLAIN_TEXT:
            self._is_deaf_to_tls = True
            return
        self._engine.tls_started()
        self._tls = TlsLayer(self._host.context)

    def _rcpt(self, transaction: _Transaction, rcpt: Rcpt) -> Reply:
        accepted = len(transaction.recipients)
        reply = self._host.judge(transaction.mail.sender, rcpt.address, accepted)
        if reply.is_positive:
            transaction.recipients.append(rcpt)
        return reply

    def _take(self, data: bytes) -> None:
        if self._transaction is not None and self._host.keep is not None:
            self._transaction.content.append(data)

    def _content(self, event: ContentReceived) -> Reply:
        transaction = self._transaction
        if not event.is_last:
            return event.problem or _FINE
        self._transaction = None
        if event.problem is not None or transaction is None:
            return event.problem or _FINE
        self._host.counters.messages += 1
        self._host.counters.recipients += len(transaction.recipients)
        self._host.counters.octets += event.size
        if self._host.keep is None:
            return _COUNTED
        message = self._accepted(transaction)
        self._host.keep(message)
        return reply_of(f"250 2.0.0 Accepted as {message.id}")

    def _accepted(self, transaction: _Transaction) -> Accepted:
        content = b"".join(transaction.content)
        return Accepted(
            id=new_id(),
            accepted_at=dt.datetime.now(dt.UTC),
            profile=self._host.profile,
            host=self._host.name,
            address=str(self._transport.get_extra_info("sockname")[0]),
            client=str(self._transport.get_extra_info("peername")[0]),
            helo=self._helo,
            mail_from=transaction.mail.sender,
            mail_parameters=_parameters(transaction.mail),
            recipients=tuple(rcpt.address for rcpt in transaction.recipients),
            recipient_parameters=tuple(map(_parameters, transaction.recipients)),
            tls=self._tls_seen(),
            size_bytes=len(content),
            content=content,
        )

    def _tls_seen(self) -> TlsSeen | None:
        if self._tls is None:
            return None
        name = self._host.server_names.get(self._tls.ssl_object, "")
        return TlsSeen(version=self._tls.version, cipher=self._tls.cipher, server_name=name)


def _parameters(command: Mail | Rcpt) -> tuple[str, ...]:
    """Return the words behind the address, as they are on the wire."""
    return tuple(command.to_bytes().decode().rpartition(">")[2].split())
