"""One message in one session: MAIL, RCPT, DATA, and what every reply means for every recipient.

1. What the server does not announce and the message needs ends it before MAIL.
2. MAIL, all RCPT and DATA go out in one write where PIPELINING is announced (RFC 2920), else one
   by one. On a session that is used again RSET goes in front.
3. Replies count one by one, also when the server closes in between: those that were received
   decide, the others are lost.
4. A refused MAIL decides for all. A recipient that is one too many (452, or 552 that does not
   speak of a full mailbox) is tried again in a further transaction, if one before it was taken.
5. Content goes only to accepted recipients; a 354 that comes although there is none is answered
   with a lone dot. The reply to the content decides for all that were accepted.
6. Once the whole content is out and the reply is missing, the message may have been taken: that
   is put off, and no other host is tried now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from delivery.agent import outcomes
from delivery.agent.content import CannotDowngradeError, Content
from delivery.agent.errors import LostError, SessionError
from delivery.agent.job import RecipientResult
from delivery.agent.session import Session
from delivery.policy.outcome import Outcome, Scope
from delivery.smtp import Body, Command, Data, Kind, Mail, Rcpt, Reply, Rset, State

MOST_RECIPIENTS = 1000
OPEN = frozenset(State) - {State.CLOSING, State.CLOSED, State.BROKEN}

Recipients = list[tuple[int, Rcpt]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message on its way to one host, with the recipients that are still open."""

    mail_from: str
    recipients: tuple[tuple[int, Rcpt], ...]
    content: Content
    requiretls: bool
    needs_smtputf8: bool


class NotBegunError(Exception):
    """A session that was used before ended before the reply to MAIL: nothing has happened."""


class _LackingError(Exception):
    """The server cannot take this message as it is."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.public)
        self.outcome = outcome


async def send(session: Session, envelope: Envelope) -> list[RecipientResult]:
    """Send the message; return how it ended for each recipient.

    Recipients without a result were not reached, because the session takes no more messages.

    Raises:
        NotBegunError: a session that was used before turned out to be dead.
    """
    try:
        mail, content = _prepare(session, envelope)
    except _LackingError as error:
        return [RecipientResult(key=key, outcome=error.outcome) for key, _ in envelope.recipients]
    most = min(session.smtp.extensions.limits.rcptmax or MOST_RECIPIENTS, MOST_RECIPIENTS)
    results: list[RecipientResult] = []
    todo: Recipients = list(envelope.recipients)
    while todo and (not results or session.can_be_used_again):
        transaction = _Transaction(session, mail, todo[:most], is_further=bool(results))
        await transaction.run(content)
        results += transaction.results
        todo = transaction.too_many + todo[most:]
    return results


def _prepare(session: Session, envelope: Envelope) -> tuple[Mail, bytes]:
    """Return MAIL and the content as this server takes them."""
    announced, host = session.smtp.extensions, session.host
    content = envelope.content.data
    if envelope.needs_smtputf8 and not announced.smtputf8:
        what = "does not take addresses with characters outside ASCII (SMTPUTF8)."
        raise _LackingError(outcomes.lacks(host, what, "5.6.7"))
    if envelope.content.has_8bit and not announced.eightbitmime:
        try:
            content = envelope.content.seven_bit
        except CannotDowngradeError as error:
            what = f"does not take 8-bit mail, and {error}."
            raise _LackingError(outcomes.lacks(host, what, "5.6.3")) from error
    if not announced.takes_size(len(content)):
        what = f"takes messages of up to {announced.size} octets; this one has {len(content)}."
        raise _LackingError(outcomes.lacks(host, what, "5.3.4"))
    body = Body.SEVEN_BIT if content.isascii() else Body.EIGHT_BIT_MIME
    mail = Mail(
        envelope.mail_from,
        size=len(content) if announced.size is not None else None,
        body=body if announced.eightbitmime else None,
        smtputf8=envelope.needs_smtputf8,
        requiretls=envelope.requiretls,
    )
    return mail, content


class _Transaction:
    """One MAIL with its recipients; fills `results` and `too_many`."""

    def __init__(
        self, session: Session, mail: Mail, recipients: Recipients, *, is_further: bool
    ) -> None:
        self.results: list[RecipientResult] = []
        self.too_many: Recipients = []
        self._session = session
        self._mail = mail
        self._recipients = recipients
        self._is_further = is_further
        self._accepted: list[int] = []
        self._is_pipelined = session.smtp.extensions.pipelining

    async def run(self, content: bytes) -> None:
        """Go through the transaction; whatever happens, every recipient is accounted for."""
        is_used = self._session.transactions > 0
        self._session.transactions += 1
        try:
            reply = await self._begin(with_reset=is_used)
        except SessionError as error:
            if is_used and not self._is_further:
                raise NotBegunError from error
            self._settle_rest(error.outcome)
            return
        if reply.code == 421 and is_used and not self._is_further:
            raise NotBegunError
        try:
            if reply.is_positive:
                await self._ask_for_recipients()
            else:
                self._settle_rest(self._refused(reply, Kind.MAIL))
            if self._accepted or self._is_pipelined:
                await self._finish(content)
        except SessionError as error:
            self._settle_rest(error.outcome)

    async def _begin(self, *, with_reset: bool) -> Reply:
        """Say MAIL, and with PIPELINING everything up to DATA; return the reply to MAIL."""
        if self._is_pipelined:
            first: list[Command] = [Rset()] if with_reset else []
            rcpts = [rcpt for _, rcpt in self._recipients]
            self._session.send([*first, self._mail, *rcpts, Data()])
        if with_reset and not (await self._ask(Rset())).is_positive:
            raise LostError(outcomes.lost(self._session.host, "RSET was refused"))
        return await self._ask(self._mail)

    async def _ask(self, command: Command) -> Reply:
        """Return the reply to a command, which with PIPELINING has been sent before."""
        if self._is_pipelined:
            return await self._session.reply()
        self._check_open()
        return await self._session.exchange(command)

    def _check_open(self) -> None:
        """RFC 5321 §3.8: after a 421 nothing more is said, even if the server goes on."""
        if self._session.smtp.state not in OPEN:
            raise LostError(outcomes.lost(self._session.host, "the server is closing"))

    async def _ask_for_recipients(self) -> None:
        for at, (key, rcpt) in enumerate(self._recipients):
            reply = await self._ask(rcpt)
            if reply.is_positive:
                self._accepted.append(key)
            elif self._accepted and _is_one_too_many(reply):
                self.too_many.append((key, rcpt))
                if not self._is_pipelined:
                    self.too_many += self._recipients[at + 1 :]
                    return
            else:
                self._settle(key, self._refused(reply, Kind.RCPT))

    async def _finish(self, content: bytes) -> None:
        """Say DATA and send the content, to those who were accepted."""
        if self._is_pipelined and self._session.smtp.pending[:-1]:
            await self._skip_recipients()
        reply = await self._ask(Data())
        if not reply.is_intermediate:
            self._settle_rest(self._refused(reply, Kind.DATA))
            return
        self._check_open()
        if not self._accepted:
            # RFC 2920 §3.1: a 354 that nobody wanted is answered with a lone dot.
            await self._session.send_content(b"")
            await self._session.reply()
            return
        try:
            await self._session.send_content(content)
            reply = await self._session.reply()
        except LostError as error:
            self._settle_rest(replace(error.outcome, scope=Scope.MESSAGE))
            return
        if reply.is_positive:
            self._settle_rest(outcomes.delivered(self._session.host, reply))
        else:
            self._settle_rest(self._refused(reply, Kind.END_OF_DATA))

    async def _skip_recipients(self) -> None:
        """Take the replies to RCPT that came although MAIL was refused."""
        while len(self._session.smtp.pending) > 1:
            await self._session.reply()

    def _refused(self, reply: Reply, kind: Kind) -> Outcome:
        scope = Scope.RECIPIENT if kind is Kind.RCPT else Scope.MESSAGE
        if reply.code == 421 or (kind in (Kind.MAIL, Kind.DATA) and not reply.is_permanent):
            scope = Scope.HOST
        if kind is Kind.MAIL and self._is_about_our_address(reply):
            scope = Scope.HOST
        return outcomes.refused(self._session.host, reply, kind, scope)

    def _is_about_our_address(self, reply: Reply) -> bool:
        """Whether a host with addresses of both families may mean the one we came from.

        A refusal by policy (5.7.x) of one family says little about the other (RFC 3974 §3).
        """
        families = {":" in address for address in self._session.target.host.addresses}
        return len(families) > 1 and reply.enhanced is not None and reply.enhanced.subject == 7

    def _settle(self, key: int, outcome: Outcome) -> None:
        self.results.append(RecipientResult(key=key, outcome=outcome))

    def _settle_rest(self, outcome: Outcome) -> None:
        """Settle all who have no reply of their own and are not put off to a further transaction."""
        done = {result.key for result in self.results} | {key for key, _ in self.too_many}
        for key, _ in self._recipients:
            if key not in done:
                self._settle(key, outcome)


def _is_one_too_many(reply: Reply) -> bool:
    """RFC 5321 §4.5.3.1.10: 452 is for too many recipients, and 552 was before."""
    is_mailbox = reply.enhanced is not None and reply.enhanced.subject == 2
    return reply.code == 452 or (reply.code == 552 and not is_mailbox)
