"""How the content of one message goes over: after DATA, or in chunks with BDAT (RFC 3030).

Both ways have two halves. `open` writes MAIL and RCPT together with as much as may go with them
where PIPELINING is announced. `finish` is called once the replies to those are known.

1. DATA goes with them; the content waits for the 354.
2. In a session that has not shown yet that BDAT works, the first octet goes with them as a chunk.
   If that is refused, or ends the session, the message goes by DATA in a new one.
3. Where BDAT works, a small message goes with them whole: one write, one round trip. If no
   recipient was accepted the server has read it in vain, and says so in its reply.
4. A larger one follows in chunks, the next on its way while the reply to the last is awaited.
   A refused chunk ends it there; RSET comes before the next message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from delivery.agent import outcomes
from delivery.agent.chunking import Chunking
from delivery.agent.errors import LostError, SessionError
from delivery.agent.session import Session
from delivery.smtp import Command, Data, Kind, Reply, State

MOST_AT_ONCE = 64 * 1024
CHUNK = 1024 * 1024
OPEN = frozenset(State) - {State.CLOSING, State.CLOSED, State.BROKEN}
BDAT_IS_UNKNOWN = frozenset({500, 502})


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply that decides about the content, and what it replied to."""

    reply: Reply
    kind: Kind


class CannotChunkError(Exception):
    """The server announced CHUNKING and did not take the first chunk; the session is over."""


class Way(Protocol):
    """One of the two ways."""

    is_out: bool
    """Whether all of the content has been written, so that the message may have been taken."""

    opens_with: int
    """How many replies `open` will bring beyond those to its commands: one or none."""

    def open(self, commands: Sequence[Command]) -> None:
        """Write the commands, and what may go with them."""
        ...

    async def finish(self, *, is_wanted: bool) -> Answer | None:
        """Send what is left; None if the content was not wanted, by any recipient.

        Raises:
            SessionError: the session ended.
            CannotChunkError: the message must go by DATA.
        """
        ...


def way_for(session: Session, content: bytes) -> Way:
    """Return the way that `session` knows."""
    chunks = session.smtp.extensions.chunking and session.chunking is not Chunking.BROKEN
    return ByChunks(session, content) if chunks else ByData(session, content)


def check_open(session: Session) -> None:
    """Raise LostError after a 421: RFC 5321 §3.8, nothing more is said even if the server goes on."""
    if session.smtp.state not in OPEN:
        raise LostError(outcomes.lost(session.host, "the server is closing"))


class ByData:
    """DATA, 354, the content with its dots doubled, and the lone dot."""

    def __init__(self, session: Session, content: bytes) -> None:
        self.is_out = False
        self.opens_with = 0
        self._session = session
        self._content = content

    def open(self, commands: Sequence[Command]) -> None:
        self._session.send([*commands, Data()])
        self.opens_with = 1

    async def finish(self, *, is_wanted: bool) -> Answer | None:
        if self.opens_with:
            reply = await self._session.reply()
        else:
            check_open(self._session)
            reply = await self._session.exchange(Data())
        if not reply.is_intermediate:
            return Answer(reply, Kind.DATA) if is_wanted else None
        check_open(self._session)
        # RFC 2920 §3.1: a 354 that nobody wanted is answered with a lone dot.
        await self._session.send_content(self._content if is_wanted else b"")
        self.is_out = is_wanted
        reply = await self._session.reply()
        return Answer(reply, Kind.END_OF_DATA) if is_wanted else None


class ByChunks:
    """BDAT, once or several times, with the content as it is."""

    def __init__(self, session: Session, content: bytes) -> None:
        self.is_out = False
        self.opens_with = 0
        self._session = session
        self._content = content
        self._gone = 0
        self._is_pipelined = session.smtp.extensions.pipelining

    def open(self, commands: Sequence[Command]) -> None:
        if self._session.chunking is Chunking.UNTRIED:
            self._send_first(commands)
            self.opens_with = 1
        elif len(self._content) <= MOST_AT_ONCE:
            self._session.send(commands, chunk=self._content, is_last=True)
            self.opens_with = 1
            self.is_out = True
        else:
            self._session.send(commands)

    async def finish(self, *, is_wanted: bool) -> Answer | None:
        if self.is_out:
            reply = await self._session.reply()
            return self._answer(reply, Kind.LAST_CHUNK) if is_wanted else None
        if self._session.chunking is Chunking.UNTRIED and (self.opens_with or is_wanted):
            reply = await self._try_first(is_wanted=is_wanted)
            if reply.code == 421 and is_wanted:
                return Answer(reply, Kind.CHUNK)
        if not is_wanted:
            return None
        check_open(self._session)
        return await self._send_chunks()

    def _send_first(self, commands: Sequence[Command]) -> None:
        self._gone = 1
        self._session.send(commands, chunk=self._content[: self._gone])

    async def _try_first(self, *, is_wanted: bool) -> Reply:
        """Return the reply to the first octet, after which the session is as good as it was.

        Raises:
            CannotChunkError: it must be given up; the octet may be waiting for the rest of a line.
        """
        try:
            if not self.opens_with:
                check_open(self._session)
                self._send_first(())
            reply = await self._session.reply()
        except LostError as error:
            if not is_wanted:
                raise
            self._session.chunking_is_broken()
            raise CannotChunkError from error
        if reply.is_positive and is_wanted:
            self._session.chunking = Chunking.WORKS
        elif reply.code != 421 and (is_wanted or reply.code in BDAT_IS_UNKNOWN):
            # Where no recipient was accepted, any other refusal is about that.
            self._session.chunking_is_broken()
            self._session.abort()
            raise CannotChunkError
        return reply

    async def _send_chunks(self) -> Answer:
        starts = range(self._gone, len(self._content), CHUNK)
        for start in starts:
            is_last = start == starts[-1]
            await self._session.send_chunk(self._content[start : start + CHUNK], is_last=is_last)
            self.is_out = is_last
            refusal = await self._refusal(may_wait_for=0 if is_last else int(self._is_pipelined))
            if refusal is not None:
                return refusal
        return self._last

    async def _refusal(self, *, may_wait_for: int) -> Answer | None:
        """Take replies until only so many are awaited; return the first that refuses."""
        while len(self._session.smtp.pending) > may_wait_for:
            kind = self._session.smtp.pending[0].kind
            self._last = self._answer(await self._session.reply(), kind)
            if not self._last.reply.is_positive:
                await self._skip_replies()
                return self._last
        return None

    async def _skip_replies(self) -> None:
        """Take the replies to chunks that were on their way already; they say nothing new."""
        try:
            while self._session.smtp.pending:
                await self._session.reply()
        except SessionError:
            pass  # the session will not be used again, and the refusal stands

    def _answer(self, reply: Reply, kind: Kind) -> Answer:
        if reply.code in BDAT_IS_UNKNOWN:
            # It took the first chunk: what has become of this one, nobody knows.
            self._session.chunking_is_broken()
            self._session.abort()
            raise LostError(outcomes.not_smtp(self._session.host, "it does not know BDAT."))
        return Answer(reply, kind)
