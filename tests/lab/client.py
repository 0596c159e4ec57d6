"""A raw SMTP client: it says what it is told to, and knows no rule of the protocol."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from delivery.lab import Lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CONTENT = b"Subject: hello\r\n\r\nHello.\r\n"


class Client:
    """One connection; every `say` returns the whole reply, lines joined by a line break."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, lab: Lab, domain: str, *, host: int = 0) -> Self:
        """Connect to one of the hosts of `domain`."""
        _name, address = lab.domains[domain].hosts[host]
        return cls(*await asyncio.open_connection(address, lab.smtp_port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._writer.transport.abort()
        await asyncio.sleep(0)

    async def reply(self) -> str:
        """Read one reply."""
        lines = [await self._line()]
        while lines[-1][3:4] == "-":
            lines.append(await self._line())
        return "\n".join(lines)

    async def _line(self) -> str:
        return (await self._reader.readuntil(b"\r\n")).decode().rstrip()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def say(self, line: str) -> str:
        """Send one line and read one reply."""
        self._writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def read_to_end(self) -> bytes:
        """Read until the server closes."""
        return await self._reader.read()

    async def hello(self) -> str:
        """Read the greeting, say EHLO, return what is announced."""
        await self.reply()
        return await self.say("EHLO client.mailweb.test")

    async def shake_hands(
        self, context: ssl.SSLContext | None = None, name: str = "mx.unknown.test"
    ) -> None:
        """Say STARTTLS and shake hands."""
        assert (await self.say("STARTTLS")).startswith("220 ")
        await self._writer.start_tls(context or trusting_anybody(), server_hostname=name)

    async def start_tls(
        self, context: ssl.SSLContext | None = None, name: str = "mx.unknown.test"
    ) -> str:
        """Shake hands, say EHLO again; return what is announced now."""
        await self.shake_hands(context, name)
        return await self.say("EHLO client.mailweb.test")

    async def send(self, mail_from: str, *recipients: str, parameters: str = "") -> list[str]:
        """Send CONTENT; return the replies to MAIL, each RCPT, DATA and the dot."""
        replies = [await self.say(f"MAIL FROM:<{mail_from}>{parameters}")]
        replies += [await self.say(f"RCPT TO:<{address}>") for address in recipients]
        replies.append(await self.say("DATA"))
        if replies[-1].startswith("354"):
            self._writer.write(CONTENT)
            replies.append(await self.say("."))
        return replies

    def chain(self) -> list[bytes]:
        """Return the certificates the server sent, DER, its own first."""
        session = self._writer.get_extra_info("ssl_object")
        return [one.public_bytes(2) for one in session._sslobj.get_unverified_chain()]


@asynccontextmanager
async def talking_to(name: str) -> AsyncIterator[tuple[Lab, Client]]:
    """Start a lab of one profile, and connect to its first host."""
    async with (
        Lab(profiles=[name], pace=0.001) as lab,
        await Client.of(lab, f"{name}.test") as client,
    ):
        yield lab, client


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110  # the lab has no event for tests
            await asyncio.sleep(0)


def trusting_anybody() -> ssl.SSLContext:
    """Return a context that takes every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def trusting(lab: Lab) -> ssl.SSLContext:
    """Return a context that verifies against the lab's root, as the web PKI does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(lab.ca_file)
    return context
