"""The lab's MX hosts: SMTP servers that behave as their profile says."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from delivery.lab.behaviour import Smtp, TlsTrouble
from delivery.lab.mailbox import Accepted, TlsSeen, new_id
from delivery.lab.reader import Content, Line, LineTooLongError, Reader
from delivery.lab.tls import TlsLayer

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SIZE = 26_214_400
_PATH = re.compile(r"<([^<> ]*)>((?: [^ ]+)*)\s*$")
_INJECTED = b"250 2.0.0 forged before TLS\r\n"


@dataclass(kw_only=True)
class Counters:
    """What one host did since it was started."""

    connections: int = 0
    messages: int = 0
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
    seen: set[tuple[str, str]] = field(default_factory=set)
    server_names: WeakKeyDictionary[ssl.SSLObject, str] = field(default_factory=WeakKeyDictionary)

    def __post_init__(self) -> None:
        if self.context is not None:
            self.context.sni_callback = self._note_server_name

    def _note_server_name(
        self, session: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> None:
        self.server_names[session] = name or ""

    def offers_tls(self) -> bool:
        """Whether the session that is the newest one now may use STARTTLS."""
        tls = self.smtp.tls
        return tls is not None and (
            tls.sessions is None or self.counters.connections <= tls.sessions
        )

    def close(self) -> None:
        """End every session."""
        for session in list(self.sessions):
            session.abort()


@dataclass(kw_only=True)
class _Transaction:
    mail_from: str
    parameters: tuple[str, ...]
    recipients: list[str] = field(default_factory=list)
    recipient_parameters: list[tuple[str, ...]] = field(default_factory=list)


class Session(asyncio.Protocol):
    """One client."""

    def __init__(self, host: SmtpHost) -> None:
        self._host, self._smtp = host, host.smtp
        self._reader = Reader()
        self._replies: list[str] = []
        self._tls: TlsLayer | None = None
        self._transaction: _Transaction | None = None
        self._helo = ""
        self._paused: asyncio.TimerHandle | None = None
        self._is_over = False

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._host.sessions.add(self)
        self._host.counters.connections += 1
        self._has_starttls = self._host.offers_tls()
        self._after(self._smtp.greets_after, self._greet)

    def data_received(self, data: bytes) -> None:
        """Read what came, and answer it."""
        if self._tls is not None:
            try:
                data = self._tls.receive(data)
            except ssl.SSLError:
                self._flush()
                self._transport.close()
                return
        self._reader.receive(data)
        self._run()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._is_over = True
        self._host.sessions.discard(self)
        if self._paused is not None:
            self._paused.cancel()

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
        try:
            while not self._is_over and self._paused is None:
                event = self._reader.next_event()
                if event is None:
                    break
                if isinstance(event, Content):
                    self._after(self._smtp.accepts_after, lambda c=event: self._accept(c))  # type: ignore[misc]
                else:
                    self._after(self._smtp.answers_after, lambda e=event: self._obey(e))  # type: ignore[misc]
        except LineTooLongError:
            self._say("500 5.5.2 Line too long", closes=True)
        self._flush()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do `act` now, or once `seconds` have gone by; nothing else is read in the meantime."""
        if not seconds:
            act()
            return
        self._flush()
        self._transport.pause_reading()
        self._paused = asyncio.get_running_loop().call_later(
            seconds * self._host.pace, self._wake, act
        )

    def _wake(self, act: Callable[[], None]) -> None:
        self._paused = None
        self._transport.resume_reading()
        act()
        self._run()

    def _say(self, *lines: str, closes: bool = False) -> None:
        code = lines[0][:3]
        self._replies += [f"{code}-{line[4:]}\r\n" for line in lines[:-1]]
        self._replies.append(f"{code} {lines[-1][4:]}\r\n")
        if closes:
            self._close()

    def _flush(self) -> None:
        data = "".join(self._replies).encode("utf-8", "surrogateescape")
        self._replies.clear()
        if self._tls is not None:
            if data:
                self._tls.send(data)
            data = self._tls.outgoing()
        if data and not self._transport.is_closing():
            self._transport.write(data)
        if self._tls is not None and self._tls.is_closed:
            self._transport.close()

    def _close(self) -> None:
        self._is_over = True
        self._flush()
        if self._tls is not None and self._tls.is_up:
            self._tls.say_goodbye()
            self._transport.write(self._tls.outgoing())
        self._transport.close()

    def _instead(self, verb: str) -> bool:
        """Give the profile's own answer to `verb`, if it has one."""
        answer = self._smtp.answers.get(verb)
        if answer is None:
            return False
        self._say(answer.reply, closes=answer.closes)
        return True

    def _greet(self) -> None:
        if not self._instead(""):
            self._say(f"220 {self._host.name} ESMTP Mailweb lab")
        self._flush()

    def _obey(self, line: Line) -> None:
        handler = _VERBS.get(line.verb)
        if handler is None:
            self._say("500 5.5.1 That command is not known here")
        elif not self._instead(line.verb):
            handler(self, line.text.partition(" ")[2])

    def _ehlo(self, argument: str) -> None:
        self._helo, self._transaction = argument, None
        words = list(self._smtp.announces(has_tls=self._tls is not None))
        if self._has_starttls and self._tls is None:
            words.append("STARTTLS")
        self._say(f"250 {self._host.name}", *(f"250 {word}" for word in words))

    def _helo_only(self, argument: str) -> None:
        self._helo, self._transaction = argument, None
        self._say(f"250 {self._host.name}")

    def _starttls(self, _argument: str) -> None:
        tls = self._smtp.tls
        if tls is None or self._host.context is None or not self._has_starttls or self._tls:
            self._say("502 5.5.1 STARTTLS is not available")
        elif tls.trouble is TlsTrouble.REFUSED:
            self._say("454 4.7.0 TLS is not available")
        else:
            self._start_tls(tls.trouble, self._host.context)

    def _start_tls(self, trouble: TlsTrouble, context: ssl.SSLContext) -> None:
        if self._reader.has_unread:
            # RFC 3207 §4.2: nothing may follow STARTTLS before the handshake.
            self._say("554 5.5.1 Bytes after STARTTLS", closes=True)
            return
        self._say("220 2.0.0 Go ahead")
        if trouble is TlsTrouble.INJECTION:
            self._replies.append(_INJECTED.decode())
        self._flush()
        self._helo, self._transaction = "", None
        if trouble is not TlsTrouble.PLAIN_TEXT:
            self._tls = TlsLayer(context)

    def _mail(self, argument: str) -> None:
        path = _path(argument, "FROM:")
        if path is None:
            self._say("501 5.5.4 Syntax: MAIL FROM:<address>")
        elif not self._helo:
            self._say("503 5.5.1 Say EHLO first")
        elif self._transaction is not None:
            self._say("503 5.5.1 There is a sender already")
        elif _size(path[1]) > MAX_SIZE:
            self._say("552 5.3.4 The message is too large")
        else:
            self._transaction = _Transaction(mail_from=path[0], parameters=path[1])
            self._say("250 2.1.0 Sender accepted")

    def _rcpt(self, argument: str) -> None:
        path = _path(argument, "TO:")
        if path is None:
            self._say("501 5.5.4 Syntax: RCPT TO:<address>")
        elif self._transaction is None:
            self._say("503 5.5.1 Say MAIL first")
        else:
            self._judge(self._transaction, *path)

    def _judge(self, transaction: _Transaction, address: str, parameters: tuple[str, ...]) -> None:
        local_part, _, domain = address.rpartition("@")
        pair = (transaction.mail_from.lower(), address.lower())
        if domain.lower() not in self._host.domains:
            self._say("550 5.7.1 We do not relay for that domain")
        elif local_part.lower() == "nobody":
            self._say("550 5.1.1 No such mailbox here")
        elif local_part.lower() == "later":
            self._say("450 4.2.1 The mailbox is busy, come back later")
        elif len(transaction.recipients) >= self._smtp.most_recipients:
            self._say("452 4.5.3 Too many recipients")
        elif self._smtp.is_greylisting and pair not in self._host.seen:
            self._host.seen.add(pair)
            self._say("450 4.7.1 Greylisted, please come back later")
        else:
            transaction.recipients.append(address)
            transaction.recipient_parameters.append(parameters)
            self._say("250 2.1.5 Recipient accepted")

    def _data(self, _argument: str) -> None:
        if self._transaction is None:
            self._say("503 5.5.1 Say MAIL first")
        elif not self._transaction.recipients:
            self._say("554 5.5.1 There are no recipients")
        else:
            self._reader.expect_content()
            self._say("354 End with a dot on a line of its own")

    def _accept(self, content: Content) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None or self._instead("."):
            return
        if len(content.data) > MAX_SIZE:
            self._say("552 5.3.4 The message is too large")
            return
        self._host.counters.messages += 1
        self._host.counters.octets += len(content.data)
        if self._host.keep is None:
            self._say("250 2.0.0 Discarded")
            return
        message = self._accepted(transaction, content.data)
        self._host.keep(message)
        self._say(f"250 2.0.0 Kept as {message.id}")

    def _accepted(self, transaction: _Transaction, content: bytes) -> Accepted:
        return Accepted(
            id=new_id(),
            accepted_at=dt.datetime.now(dt.UTC),
            profile=self._host.profile,
            host=self._host.name,
            address=str(self._transport.get_extra_info("sockname")[0]),
            client=str(self._transport.get_extra_info("peername")[0]),
            helo=self._helo,
            mail_from=transaction.mail_from,
            mail_parameters=transaction.parameters,
            recipients=tuple(transaction.recipients),
            recipient_parameters=tuple(transaction.recipient_parameters),
            tls=self._tls_seen(),
            size_bytes=len(content),
            content=content,
        )

    def _tls_seen(self) -> TlsSeen | None:
        if self._tls is None:
            return None
        name = self._host.server_names.get(self._tls.ssl_object, "")
        return TlsSeen(version=self._tls.version, cipher=self._tls.cipher, server_name=name)

    def _rset(self, _argument: str) -> None:
        self._transaction = None
        self._say("250 2.0.0 Forgotten")

    def _noop(self, _argument: str) -> None:
        self._say("250 2.0.0 Fine")

    def _quit(self, _argument: str) -> None:
        self._say("221 2.0.0 Goodbye", closes=True)


_VERBS: dict[str, Callable[[Session, str], None]] = {
    "EHLO": Session._ehlo,
    "HELO": Session._helo_only,
    "STARTTLS": Session._starttls,
    "MAIL": Session._mail,
    "RCPT": Session._rcpt,
    "DATA": Session._data,
    "RSET": Session._rset,
    "NOOP": Session._noop,
    "QUIT": Session._quit,
}


def _path(argument: str, prefix: str) -> tuple[str, tuple[str, ...]] | None:
    """Read `FROM:<address> PARAMETERS`; None if it is not that."""
    if not argument.upper().startswith(prefix):
        return None
    found = _PATH.match(argument[len(prefix) :].lstrip())
    return None if found is None else (found[1], tuple(found[2].split()))


def _size(parameters: tuple[str, ...]) -> int:
    sizes = [one[5:] for one in parameters if one.upper().startswith("SIZE=")]
    return int(sizes[0]) if sizes and sizes[0].isdigit() else 0
