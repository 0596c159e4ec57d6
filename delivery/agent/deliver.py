"""One job: from the facts about a domain to an outcome for each recipient.

1. A copy whose way was promised when it was scheduled is judged again (`promise.broken`), and held
   if that got worse. A domain without hosts ends it: for good if DNS says so (NXDOMAIN, null MX),
   else for now.
2. Hosts are tried in order of preference (RFC 5321 §5.1), unless an earlier try at the same copy
   is a reason to begin elsewhere (`route`). What a host must show is worked out before anything
   connects (`demand`: RFC 7672 §2.2, RFC 8461 §4, RFC 8689 §4.2.1); one that can't get the copy
   is passed over. One that is left alone after much trouble is too, and that is no attempt.
3. Each of its addresses is tried until one takes the message. A session that is open already is
   used if it was opened for exactly the same demand.
4. After EHLO, over TLS where it is offered, `judge` says whether the session showed what is
   demanded. Only then is the message spoken of.
5. Where TLS was agreed on and failed, it is tried once more with TLS 1.2, and then, only where
   nothing demands TLS, in plain text.
6. A refusal that speaks for the host alone leads to the next address or host; one that speaks
   for the message or a recipient decides. Recipients that nobody decided about get what the
   hosts' refusals mean together: final if every host gave a final one, else put off.

Every session, also one that failed, is an attempt in the report, with what it showed. What it says
about the host's health is told to the pool.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from delivery.agent import outcomes, promised, route, transaction, ways
from delivery.agent.admission import admit
from delivery.agent.attempt_log import tell_of
from delivery.agent.clock import Clock
from delivery.agent.content import Content
from delivery.agent.endings import (
    Ended,
    aborted_on_the_way_out,
    elapsed_ms,
    for_all,
    summed_up,
)
from delivery.agent.errors import (
    ConnectError,
    SessionError,
    TlsError,
    TurnedAwayError,
    WindingDownError,
)
from delivery.agent.fair import Party
from delivery.agent.health import Trouble
from delivery.agent.job import AttemptReport, HostAttempt, Job, RecipientResult
from delivery.agent.pool import Pool
from delivery.agent.session import Care, Session, Target
from delivery.agent.slots import Slot
from delivery.agent.transaction import Envelope, NotBegunError
from delivery.policy.facts import DomainFacts, HostFacts, Starttls, TlsEvidence
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.record import Mechanism
from delivery.policy.requirements import Demand, Refusal, Tls
from delivery.smtp import LocalProtocolError, Rcpt

MOST_FRUITLESS_ADDRESSES = 10
"""How many addresses may lead nowhere; each may take three sessions if it is TLS that fails."""

LONGEST_SEARCH = timedelta(minutes=10)
"""After this no further address is tried: hosts that are silent take minutes each."""
NO_ATTEMPT = -1


async def deliver(job: Job, facts: DomainFacts, *, pool: Pool, clock: Clock) -> AttemptReport:
    """Try to deliver `job`, on the basis of `facts`; what the remote does is never raised.

    Raises:
        WindingDownError: nothing was tried yet, and nothing is begun any more.
    """
    delivery = _Delivery(job, facts, pool=pool, clock=clock)
    await delivery.run()
    return delivery.report()


def _on_the_wire(address: str, domain: str) -> str:
    """Return the address with its domain as A-labels, if that spares it the need for SMTPUTF8."""
    local_part, at, _ = address.rpartition("@")
    is_needed = not address.isascii() and local_part.isascii()
    return f"{local_part}{at}{domain}" if is_needed else address


class _Delivery:
    """The state of one job while its hosts are tried."""

    def __init__(self, job: Job, facts: DomainFacts, *, pool: Pool, clock: Clock) -> None:
        self._job = job
        self._facts = facts
        self._pool = pool
        self._clock = clock
        self._content = Content(job)
        self._open: dict[int, Rcpt] = {}
        self._results: dict[int, Outcome] = {}
        self._refusals: dict[int, list[tuple[int, Outcome]]] = {}
        self._attempts: list[HostAttempt] = []
        self._fruitless = 0
        self._party = Party(job.account, job.domain)
        self._began_at = clock.now()

    def report(self) -> AttemptReport:
        """Return all that happened."""
        return AttemptReport(
            job=self._job,
            facts=self._facts,
            attempts=tuple(self._attempts),
            results=tuple(
                RecipientResult(key=one.key, outcome=self._results[one.key])
                for one in self._job.recipients
            ),
        )

    async def run(self) -> None:
        """Try the hosts until every recipient is decided about."""
        self._read_addresses()
        worse = promised.held_back(self._job, self._facts, self._began_at)
        if worse is not None:
            self._results |= dict.fromkeys(self._open, worse)
            return
        if self._facts.failure is not None:
            self._pass_over("", outcomes.no_host(self._facts))
        for host in ways.hosts_of(self._job, self._facts):
            if self._is_done:
                break
            await self._try_host(host)
        self._settle_open()

    @property
    def _is_done(self) -> bool:
        if not self._open or self._fruitless >= MOST_FRUITLESS_ADDRESSES:
            return True
        return self._fruitless > 0 and self._clock.now() - self._began_at >= LONGEST_SEARCH

    @property
    def _is_unfinished(self) -> bool:
        """Whether the last session had to end before it got to every open recipient."""
        last = len(self._attempts) - 1
        return any(
            not refusals or refusals[-1][0] != last
            for refusals in (self._refusals.get(key) for key in self._open)
        )

    def _read_addresses(self) -> None:
        for recipient in self._job.recipients:
            try:
                domain = recipient.domain or self._job.domain
                self._open[recipient.key] = Rcpt(
                    _on_the_wire(recipient.address, domain),
                    notify=recipient.notify,
                    orcpt=recipient.orcpt or None,
                )
            except LocalProtocolError:
                self._results[recipient.key] = outcomes.not_an_address(recipient.address)

    async def _try_host(self, host: HostFacts) -> None:
        if not host.addresses:
            self._pass_over(host.name, outcomes.no_address(self._facts, host))
            return
        host = ways.reachable(self._job, host)
        if not host.addresses:
            self._pass_over(host.name, outcomes.no_family(host))
            return
        demanded = ways.demand(self._job, self._facts, host)
        if isinstance(demanded, Refusal):
            self._pass_over(host.name, demanded.outcome, demanded.stopped_by)
            return
        for address in host.addresses:
            target = ways.target(self._job, self._facts, host, address, demanded)
            while not self._is_done:
                before = len(self._open)
                try:
                    await self._try_address(target)
                except TurnedAwayError as error:
                    if isinstance(error, WindingDownError) and not self._attempts:
                        raise
                    self._refuse(dict.fromkeys(self._open, error.outcome), NO_ATTEMPT)
                    break
                self._fruitless += len(self._open) == before
                if not self._is_unfinished:
                    break

    async def _try_address(self, target: Target) -> None:
        """Try one address; after a TLS failure with more care, or without TLS if that may be.

        Raises:
            TurnedAwayError: the host is left alone for now.
        """
        may_be_plain = target.demand.tls is Tls.MAY and target.demand.allows_plain_text
        where = target.gate, target.address, self._party
        async with self._pool.slot(*where, line=self._job.line) as slot:
            broken = await self._try_session(slot, target, Care.USUAL, None)
            if broken is not None:
                broken = await self._try_session(slot, target, Care.TLS_1_2, broken)
            if broken is not None and may_be_plain:
                await self._try_session(slot, target, Care.PLAIN, broken)

    async def _try_session(
        self, slot: Slot, target: Target, care: Care, earlier: TlsEvidence | None
    ) -> TlsEvidence | None:
        """Try to hand the message over; return what TLS showed if it was TLS that failed."""
        if care is Care.USUAL and await self._used_open_session(slot, target):
            return None
        started = self._clock.now()
        try:
            session = await self._pool.connect(target, earlier)
        except ConnectError as error:
            if error.outcome.scope is Scope.TRANSPORT:
                # Our own proxy: no other address would do better, and no host is to blame.
                self._note(target, None, started, for_all(self._open, error.outcome))
                return None
            self._note(target, None, started, Ended(outcome=error.outcome))
            self._pool.was_in_trouble(target, Trouble.SILENT, error.outcome.last_reply)
            return None
        with aborted_on_the_way_out(session) as all_is_well:
            try:
                await session.open(care)
            except SessionError as error:
                all_is_well()
                return self._note_failure(session, started, error)
            await slot.greeted()
            try:
                await self._hand_over(session, started)
            except NotBegunError:
                # BDAT broke it off: the address is remembered, and the next session says DATA.
                slot.is_greeted = False
                return await self._try_session(slot, target, care, earlier)
            all_is_well()
        return None

    async def _used_open_session(self, slot: Slot, target: Target) -> bool:
        """Hand over in an idle session, if there is one that is still alive."""
        while (session := self._pool.take(target)) is not None:
            started = self._clock.now()
            session.transcript.add("*", "(the connection was open from an earlier message)")
            with aborted_on_the_way_out(session) as all_is_well:
                slot.is_greeted = True
                try:
                    await self._hand_over(session, started)
                except NotBegunError:
                    slot.is_greeted = False
                    continue
                all_is_well()
                return True
        return False

    async def _hand_over(self, session: Session, started: datetime) -> None:
        """Send the message over an open session, if that shows what is demanded."""
        refusal = ways.refusal(self._job, session)
        if refusal is not None:
            ended = Ended(outcome=refusal.outcome, stopped_by=refusal.stopped_by)
            self._note(session.target, session, started, ended)
            self._pool.retire(session)
            return
        barred = await admit(session)
        if barred is not None:
            ended = for_all(self._open, barred.outcome, locked_out=barred.locked_out)
            self._note(session.target, session, started, ended)
            self._pool.retire(session)
            return
        results = await transaction.send(session, self._envelope(session.target.demand))
        self._note(session.target, session, started, summed_up(results, session.target.demand))
        self._learn(session.target, results)
        if session.evidence and session.evidence.tls.starttls is not Starttls.FAILED:
            self._pool.keep(session)
        else:
            # The next message deserves another try with TLS.
            self._pool.retire(session)

    def _envelope(self, demanded: Demand) -> Envelope:
        addresses = (self._job.mail_from, *(rcpt.address for rcpt in self._open.values()))
        is_ascii = all(address.isascii() for address in addresses)
        return Envelope(
            mail_from=self._job.mail_from,
            recipients=tuple(self._open.items()),
            content=self._content,
            requiretls=demanded.requiretls,
            needs_smtputf8=self._job.needs_smtputf8 or not is_ascii,
            ret=self._job.ret,
            envid=self._job.envid,
        )

    def _learn(self, target: Target, results: Iterable[RecipientResult]) -> None:
        """Tell the pool how the host took the message; for one that took any of it, all is well."""
        told = [one.outcome for one in results]
        troubles = (outcomes.trouble_of(outcome) for outcome in told)
        trouble = next((one for one in troubles if one is not None), None)
        if trouble is None or any(one.result is Result.DELIVERED for one in told):
            self._pool.went_well(target)
        else:
            self._pool.was_in_trouble(target, trouble, told[0].last_reply)

    # What is written down

    def _note_failure(
        self, session: Session, started: datetime, error: SessionError
    ) -> TlsEvidence | None:
        is_tls = isinstance(error, TlsError)
        refusal = ways.refusal(self._job, session) if is_tls else None
        ended = Ended(outcome=error.outcome)
        if refusal is not None:
            ended = Ended(outcome=refusal.outcome, stopped_by=refusal.stopped_by)
        self._note(session.target, session, started, ended)
        self._pool.retire(session)
        trouble = None if is_tls else outcomes.trouble_before_mail(error.outcome)
        if trouble is not None:
            self._pool.was_in_trouble(session.target, trouble, error.outcome.last_reply)
        evidence = session.evidence
        return evidence.tls if is_tls and evidence else None

    def _note(
        self, target: Target, session: Session | None, started: datetime, ended: Ended
    ) -> None:
        """Add an attempt; what it did not decide counts as a refusal by this host."""
        decided = tuple(
            self._with_second_chance(target, one)
            for one in ended.results
            if one.outcome.scope is not Scope.HOST
        )
        self._attempts.append(
            HostAttempt(
                host=target.host.name,
                address=target.address,
                started_at=started,
                duration_ms=elapsed_ms(started, self._clock.now()),
                evidence=session.evidence if session else None,
                mechanism=session.mechanism if session else "",
                locked_out=ended.locked_out,
                requiretls_used=ended.requiretls_used,
                stopped_by=ended.stopped_by,
                outcome=ended.outcome,
                results=decided,
                transcript=session.transcript.take() if session else "",
            )
        )
        tell_of(self._attempts[-1], session.dialogue.name if session else "")
        for one in decided:
            self._results[one.key] = one.outcome
            self._open.pop(one.key, None)
        if ended.results:
            self._refuse({one.key: one.outcome for one in ended.results if one.key in self._open})
        else:
            self._refuse(dict.fromkeys(self._open, ended.outcome))

    def _with_second_chance(self, target: Target, one: RecipientResult) -> RecipientResult:
        """Put a refusal by policy off once if the other address family is still to be tried."""
        if one.outcome.result is not Result.FAILED:
            return one
        again = route.other_family_first(target.host, target.address, self._job.memory, one.outcome)
        return one if again is None else replace(one, outcome=again)

    def _pass_over(
        self, host: str, outcome: Outcome, stopped_by: Mechanism = Mechanism.NONE
    ) -> None:
        """Add an attempt that never became a session."""
        self._attempts.append(
            HostAttempt(
                host=host,
                address="",
                started_at=self._clock.now(),
                duration_ms=0,
                evidence=None,
                requiretls_used=False,
                stopped_by=stopped_by,
                outcome=outcome,
                results=(),
            )
        )
        self._fruitless += 1
        tell_of(self._attempts[-1], "")
        self._refuse(dict.fromkeys(self._open, outcome))

    def _refuse(self, refusals: dict[int, Outcome], at: int | None = None) -> None:
        """Note refusals by the attempt `at`, by default the last one."""
        at = len(self._attempts) - 1 if at is None else at
        for key, outcome in refusals.items():
            self._refusals.setdefault(key, []).append((at, outcome))

    def _settle_open(self) -> None:
        """Decide about those whom no host decided about, and tie each to the attempt that counts."""
        for key in self._open:
            refusals = self._refusals.get(key, [])
            if not refusals:
                self._pass_over("", outcomes.nothing_tried(self._facts))
                refusals = self._refusals[key]
            outcome = outcomes.of_all([outcome for _, outcome in refusals])
            self._results[key] = outcome
            at = next(at for at, one in refusals if one is outcome)
            if at == NO_ATTEMPT:
                continue
            attempt = self._attempts[at]
            result = RecipientResult(key=key, outcome=outcome)
            self._attempts[at] = replace(attempt, results=(*attempt.results, result))
