"""One message in one session: MAIL, RCPT, content, and what every reply means for every recipient.

1. What the server does not announce and the message needs ends it before MAIL.
2. MAIL, all RCPT and what `handover` adds to them go out in one write where PIPELINING is
   announced (RFC 2920), else one by one. After a transaction that was left open RSET goes in
   front.
3. Replies count one by one, also when the server closes in between: those that were received
   decide, the others are lost.
4. A refused MAIL decides for all. A recipient that is one too many (452, or 552 that does not
   speak of a full mailbox) is tried again in a further transaction, if one before it was taken.
5. The reply to the content decides for all that were accepted; if that is one, and the reply says
   that there is no such mailbox, it speaks of that recipient and not of the message.
6. Once the whole content is out and the reply is missing, the message may have been taken: that
   is put off, and no other host is tried now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from delivery.agent import outcomes
from delivery.agent.content import CannotDowngradeError, Content
from delivery.agent.errors import LostError, SessionError, SilentError
from delivery.agent.handover import CannotChunkError, check_open, way_for
from delivery.agent.job import RecipientResult
from delivery.agent.session import Session
from delivery.policy.outcome import Outcome, Scope
from delivery.policy.suppression import is_about_address
from delivery.smtp import Body, Command, Kind, Mail, Rcpt, Reply, Ret, Rset

MOST_RECIPIENTS = 1000

_OF_CONTENT = (Kind.DATA, Kind.END_OF_DATA, Kind.CHUNK, Kind.LAST_CHUNK)

Recipients = list[tuple[int, Rcpt]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message on its way to one host, with the recipients that are still open."""

    mail_from: str
    recipients: tuple[tuple[int, Rcpt], ...]
    content: Content
    requiretls: bool
    needs_smtputf8: bool
    ret: Ret | None = None
    envid: str = ""


class NotBegunError(Exception):
    """The session is of no use, and no recipient has been decided about: another may begin anew."""


class _LackingError(Exception):
    """The server cannot take this message as it is."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.public)
        self.outcome = outcome


async def send(session: Session, envelope: Envelope) -> list[RecipientResult]:
    """Send the message; return how it ended for each recipient.

    Recipients without a result were not reached, because the session takes no more messages.

    Raises:
        NotBegunError: a session that was used before turned out to be dead, or a new one broke
            off when BDAT was tried. Both leave the next session with less to go wrong.
    """
    try:
        mail, content = _prepare(session, envelope)
    except _LackingError as error:
        return [RecipientResult(key=key, outcome=error.outcome) for key, _ in envelope.recipients]
    most = min(session.smtp.extensions.limits.rcptmax or MOST_RECIPIENTS, MOST_RECIPIENTS)
    results: list[RecipientResult] = []
    most_domains = session.smtp.extensions.limits.rcptdomainmax
    todo: Recipients = list(envelope.recipients)
    if not session.smtp.extensions.dsn:
        todo = [(key, _without_wishes(rcpt)) for key, rcpt in todo]
    is_further = False
    while todo and (not is_further or session.can_be_used_again):
        now, later = _divided(todo, most, most_domains)
        transaction = _Transaction(session, mail, now, is_further=is_further)
        await transaction.run(content)
        results += transaction.results
        todo = transaction.again + later
        most = min(most, transaction.room or most)
        is_further = True
    if not results:
        raise NotBegunError
    return results


def _divided(
    todo: Recipients, most: int, most_domains: int | None
) -> tuple[Recipients, Recipients]:
    """Return who goes into the next transaction, and who into those after it (RFC 9422 §4)."""
    if most_domains is None:
        return todo[:most], todo[most:]
    now: Recipients = []
    later: Recipients = []
    domains: set[str] = set()
    for key, rcpt in todo:
        domain = rcpt.address.rpartition("@")[2].lower()
        fits = len(now) < most and (domain in domains or len(domains) < most_domains)
        if fits:
            domains.add(domain)
        (now if fits else later).append((key, rcpt))
    return now, later


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
        ret=_ret(envelope) if announced.dsn else None,
        envid=(envelope.envid or None) if announced.dsn else None,
    )
    return mail, content


def _ret(envelope: Envelope) -> Ret | None:
    """RFC 8689 §5: what is to stay protected comes back as a header at most."""
    return Ret.HEADERS if envelope.ret and envelope.requiretls else envelope.ret


def _without_wishes(rcpt: Rcpt) -> Rcpt:
    """Return the recipient as a server without DSN takes it; reports are then our own."""
    return Rcpt(rcpt.address) if rcpt.notify or rcpt.orcpt else rcpt


class _Transaction:
    """One MAIL with its recipients; fills `results`, and `again` with who needs another one."""

    def __init__(
        self, session: Session, mail: Mail, recipients: Recipients, *, is_further: bool
    ) -> None:
        self.results: list[RecipientResult] = []
        self.again: Recipients = []
        self.room: int | None = None
        """How many recipients the server took before all others were too many, if they were."""

        self._session = session
        self._mail = mail
        self._recipients = recipients
        self._is_further = is_further
        self._accepted: list[int] = []
        self._is_pipelined = session.smtp.extensions.pipelining
        self._has_answered = False
        self._is_first_hop = session.target.via is not None and session.target.via.is_relay

    async def run(self, content: bytes) -> None:
        """Go through the transaction; whatever happens, every recipient is accounted for."""
        is_used = self._session.transactions > 0
        self._session.transactions += 1
        self._way = way_for(self._session, content)
        try:
            reply = await self._begin()
        except SessionError as error:
            if is_used and not self._is_further and self._is_nothing_lost(error):
                raise NotBegunError from error
            self._settle_lost(error)
            return
        # 452: the session has had its number of messages; some servers do not announce it.
        if reply.code in (421, 452) and is_used and not self._is_further:
            raise NotBegunError
        try:
            if reply.is_positive:
                await self._ask_for_recipients()
            else:
                self._settle_rest(self._refused(reply, Kind.MAIL))
            if self._accepted or self._is_pipelined:
                await self._finish()
        except SessionError as error:
            self._settle_lost(error)

    async def _begin(self) -> Reply:
        """Say MAIL, and with PIPELINING all that may follow; return the reply to MAIL."""
        with_reset = self._session.smtp.needs_reset
        if self._is_pipelined:
            first: list[Command] = [Rset()] if with_reset else []
            rcpts = [rcpt for _, rcpt in self._recipients]
            self._way.open([*first, self._mail, *rcpts])
        if with_reset:
            reply = await self._ask(Rset())
            self._has_answered = True
            if not (reply.is_positive or self._way.is_out):
                raise LostError(outcomes.lost(self._session.host, "RSET was refused"))
        return await self._ask(self._mail)

    def _is_nothing_lost(self, error: SessionError) -> bool:
        """Whether the message can't have been taken by a session that ended before MAIL's reply.

        If the content went along: a server that closes without a word was gone before. (One that
        took the message first, and then died, gets it twice; it would at the next try, too.)
        """
        was_gone = not self._has_answered and not isinstance(error, SilentError)
        return was_gone or not self._way.is_out

    async def _ask(self, command: Command) -> Reply:
        """Return the reply to a command, which with PIPELINING has been sent before."""
        if self._is_pipelined:
            return await self._session.reply()
        check_open(self._session)
        return await self._session.exchange(command)

    async def _ask_for_recipients(self) -> None:
        for at, (key, rcpt) in enumerate(self._recipients):
            reply = await self._ask(rcpt)
            if reply.is_positive:
                self._accepted.append(key)
                self.room = None
            elif self._accepted and _is_one_too_many(reply):
                self.again.append((key, rcpt))
                if not self._is_pipelined:
                    self.again += self._recipients[at + 1 :]
                    return
                self.room = self.room or len(self._accepted)
            else:
                self._settle(key, self._refused(reply, Kind.RCPT))

    async def _finish(self) -> None:
        """Hand the content over, to those who were accepted."""
        while len(self._session.smtp.pending) > self._way.opens_with:
            await self._session.reply()  # to RCPT, although MAIL was refused
        try:
            answer = await self._way.finish(is_wanted=bool(self._accepted))
        except CannotChunkError:
            self.again += [one for one in self._recipients if one[0] in self._accepted]
            return
        if answer is None:
            return
        if answer.reply.is_positive:
            reports_itself = self._session.smtp.extensions.dsn
            taken = outcomes.delivered(
                self._session.host, answer.reply, reports_itself=reports_itself
            )
            self._settle_rest(taken)
        else:
            self._settle_rest(self._refused(answer.reply, answer.kind))

    def _settle_lost(self, error: SessionError) -> None:
        """The session is gone; if the content went before it, the message may have been taken."""
        scope = Scope.MESSAGE if self._way.is_out else error.outcome.scope
        self._settle_rest(replace(error.outcome, scope=scope))

    def _refused(self, reply: Reply, kind: Kind) -> Outcome:
        scope = Scope.RECIPIENT if kind is Kind.RCPT else Scope.MESSAGE
        if reply.code == 421 or (kind in (Kind.MAIL, Kind.DATA) and not reply.is_permanent):
            scope = Scope.HOST
        if kind is Kind.MAIL and self._is_about_our_address(reply):
            scope = Scope.HOST
        if kind in _OF_CONTENT and self._speaks_of_one(reply):
            scope = Scope.RECIPIENT
        return outcomes.refused(self._session.host, reply, kind, scope)

    def _speaks_of_one(self, reply: Reply) -> bool:
        """Whether a server that looks addresses up only now says that there is no such mailbox."""
        enhanced = str(reply.enhanced or "")
        return len(self._accepted) == 1 and is_about_address(reply.code, enhanced, reply.whole)

    def _is_about_our_address(self, reply: Reply) -> bool:
        """Whether a host with addresses of both families may mean the one we came from.

        A refusal by policy (5.7.x) of one family says little about the other (RFC 3974 §3).
        """
        families = {":" in address for address in self._session.target.host.addresses}
        return len(families) > 1 and reply.enhanced is not None and reply.enhanced.subject == 7

    def _settle(self, key: int, outcome: Outcome) -> None:
        if self._is_first_hop:
            outcome = replace(outcome, is_first_hop=True)
        self.results.append(RecipientResult(key=key, outcome=outcome))

    def _settle_rest(self, outcome: Outcome) -> None:
        """Settle all who have no reply of their own and are not put off to a further transaction."""
        done = {result.key for result in self.results} | {key for key, _ in self.again}
        for key, _ in self._recipients:
            if key not in done:
                self._settle(key, outcome)


def _is_one_too_many(reply: Reply) -> bool:
    """RFC 5321 §4.5.3.1.10: 452 is for too many recipients, and 552 was before.

    Whatever the code, x.5.3 says the same (RFC 3463 §3.6).
    """
    about = reply.enhanced and (reply.enhanced.subject, reply.enhanced.detail)
    is_mailbox = reply.enhanced is not None and reply.enhanced.subject == 2
    return about == (5, 3) or reply.code == 452 or (reply.code == 552 and not is_mailbox)
