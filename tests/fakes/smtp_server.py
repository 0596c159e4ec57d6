"""An SMTP server on loopback that says what it is told to say, and remembers what it heard."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from tests.fakes.certificates import Leaf


@dataclass(frozen=True, slots=True)
class Say:
    """A reply, and what follows it: nothing, "close" (FIN), "reset" (RST) or "silence" for ever.

    It comes `after` so many seconds.
    """

    text: str = ""
    then: str = ""
    after: float = 0.0


Reply = str | Say | Sequence[str | Say]
"""One reply for always, or several that are given in turn (the last one stays)."""


@dataclass
class Conversation:
    """One connection as the server saw it."""

    lines: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    sni: str | None = None
    chunks: bytes = b""
    is_tls: bool = False
    tls_version: str = ""

    @property
    def verbs(self) -> list[str]:
        return [line.split(" ")[0].split(":")[0].upper() for line in self.lines]


def context_of(leaf: Leaf, path: str, *, at_most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a server's context for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(leaf.pem())
    context.load_cert_chain(path)
    if at_most is not None:
        context.maximum_version = at_most
    return context


class SmtpServer:
    """Speaks by `replies`, and kindly where they say nothing.

    Their keys are verbs ("MAIL", "DATA", "." for the end of the content, "" for the greeting) or
    whole lines ("RCPT TO:<bob@d.test>", "BDAT 0"). With a 502 to BDAT it reads the octets as lines.
    It greets after `greets_after` seconds. `announces` are the EHLO keywords, `announces_tls` those
    over TLS. With a `context` STARTTLS is offered; with `implicit` TLS comes first. `conversations` has every connection. With
    `reads_of_a_chunk` it resets the connection (`after_part_of_a_chunk`: as in `Say`) once it has
    read so much of a larger one.
    """

    def __init__(
        self,
        replies: Mapping[str, Reply] | None = None,
        *,
        announces: Sequence[str] = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"),
        announces_tls: Sequence[str] | None = None,
        context: ssl.SSLContext | None = None,
        implicit: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.replies = dict(replies or {})
        self.announces = list(announces)
        self.announces_tls = list(announces if announces_tls is None else announces_tls)
        self.context = context
        self.implicit = implicit
        self.address = address
        self.port = port
        self.greets_after = 0.0
        self.reads_of_a_chunk: int | None = None
        self.after_part_of_a_chunk = "reset"
        self.conversations: list[Conversation] = []
        self._heard: dict[str, asyncio.Event] = {}
        self._given: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def contents(self) -> list[bytes]:
        """Every message taken, in order."""
        return [content for one in self.conversations for content in one.contents]

    async def heard(self, verb: str) -> None:
        """Wait until a client has said `verb`."""
        async with asyncio.timeout(10):
            await self._heard.setdefault(verb, asyncio.Event()).wait()

    async def __aenter__(self) -> SmtpServer:
        self._server = await asyncio.start_server(
            self._accept, self.address, self.port, ssl=self.implicit
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        talk = Conversation(is_tls=self.implicit is not None)
        self.conversations.append(talk)
        try:
            await self._converse(talk, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            pass  # the server is being stopped; asyncio's streams of 3.11 would log it
        finally:
            writer.transport.abort()

    async def _converse(
        self, talk: Conversation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await asyncio.sleep(self.greets_after)
        goes_on = await self._say(self._reply("", "220 mx.test ESMTP"), reader, writer)
        while goes_on and (line := await reader.readline()):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            talk.lines.append(text)
            verb = text.split(" ")[0].split(":")[0].upper()
            self._heard.setdefault(verb, asyncio.Event()).set()
            said = self._reply(text, "") or self._reply(verb, self._default(verb, talk))
            if verb == "MAIL":
                talk.chunks = b""
            if verb == "BDAT" and not str(said).startswith("502"):
                said = await self._take_chunk(talk, text, said, reader)
            goes_on = await self._say(said, reader, writer)
            code = said.text[:3] if isinstance(said, Say) else said[:3]
            if verb == "STARTTLS" and code == "220" and goes_on and self.context:
                await self._start_tls(talk, writer)
            if verb == "DATA" and code == "354" and goes_on:
                goes_on = await self._take_content(talk, reader, writer)
            if verb == "QUIT":
                return

    async def _take_content(
        self, talk: Conversation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        content = bytearray()
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return False
            content += line.removeprefix(b".")
        talk.contents.append(bytes(content))
        return await self._say(self._reply(".", "250 2.0.0 taken"), reader, writer)

    async def _take_chunk(
        self, talk: Conversation, text: str, said: str | Say, reader: asyncio.StreamReader
    ) -> str | Say:
        words = text.split()
        most = self.reads_of_a_chunk
        if most is not None and int(words[1]) > most:
            await reader.readexactly(most)
            return Say(then=self.after_part_of_a_chunk)
        talk.chunks += await reader.readexactly(int(words[1]))
        if len(words) < 3:
            return said
        talk.contents.append(talk.chunks)
        return self._reply(".", "250 2.0.0 taken")

    async def _start_tls(self, talk: Conversation, writer: asyncio.StreamWriter) -> None:
        assert self.context is not None

        def note(_: object, name: str | None, __: object) -> None:
            talk.sni = name

        self.context.sni_callback = note
        await writer.start_tls(self.context)
        talk.is_tls = True
        talk.tls_version = writer.get_extra_info("ssl_object").version()

    def _default(self, verb: str, talk: Conversation) -> str:
        if verb == "EHLO":
            keywords = self.announces_tls if talk.is_tls else self.announces
            offers = ["STARTTLS"] if self.context and not talk.is_tls else []
            lines = ["mx.test", *keywords, *offers]
            return "\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])
        known = {"DATA": "354 go on", "QUIT": "221 2.0.0 bye", "STARTTLS": "220 go on"}
        return known.get(verb, "250 2.0.0 ok")

    def _reply(self, key: str, default: str) -> str | Say:
        reply = self.replies.get(key, default)
        if isinstance(reply, (str, Say)):
            return reply
        at = self._given.get(key, 0)
        self._given[key] = at + 1
        return reply[min(at, len(reply) - 1)]

    async def _say(
        self, said: str | Say, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Say it; return whether the conversation goes on."""
        text, then = (said.text, said.then) if isinstance(said, Say) else (said, "")
        if isinstance(said, Say) and said.after:
            await asyncio.sleep(said.after)
        if text:
            writer.write(text.replace("\n", "\r\n").encode() + b"\r\n")
            await writer.drain()
        if then == "silence":
            await asyncio.Event().wait()
        if then == "close" and writer.can_write_eof():
            writer.write_eof()
            await reader.read()
        if then == "reset":
            # Linger of zero seconds: the system sends RST instead of FIN.
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        return not then
