"""What replies, failures and DNS answers mean for a message, with the sentence for its sender."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from delivery.agent.health import Trouble
from delivery.policy.facts import DnsFailure, Dnssec, DomainFacts, HostFacts
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.reasons import Reason
from delivery.policy.transport import barred_sentence
from delivery.smtp import Kind, Reply

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_TEMPORARY = {
    Kind.GREETING: "{host} takes no connections now.",
    Kind.HELLO: "{host} did not accept our name now.",
    Kind.MAIL: "{host} put off mail from this sender.",
    Kind.RCPT: "{host} put off mail for this recipient.",
}
_PERMANENT = {
    Kind.GREETING: "{host} refuses connections from us.",
    Kind.HELLO: "{host} refuses our name.",
    Kind.MAIL: "{host} refuses mail from this sender.",
    Kind.RCPT: "{host} refuses mail for this recipient.",
}


def delivered(host: str, reply: Reply, *, reports_itself: bool = False) -> Outcome:
    """The server took the message for one recipient."""
    return Outcome(
        result=Result.DELIVERED,
        scope=Scope.RECIPIENT,
        code=reply.code,
        enhanced=str(reply.enhanced or ""),
        reply=reply.whole,
        public=f"{host} took the message.",
        is_reported_by_host=reports_itself,
    )


def refused(host: str, reply: Reply, kind: Kind, scope: Scope) -> Outcome:
    """The server refused, for now or for good, as the class of its code says."""
    sentences = _PERMANENT if reply.is_permanent else _TEMPORARY
    default = (
        "{host} refuses this message." if reply.is_permanent else "{host} put this message off."
    )
    return Outcome(
        result=Result.FAILED if reply.is_permanent else Result.DEFERRED,
        scope=scope,
        code=reply.code,
        enhanced=str(reply.enhanced or ""),
        reply=reply.whole,
        public=sentences.get(kind, default).format(host=host),
    )


def turned_away(host: str, why: str, until: datetime) -> Outcome:
    """Nothing was tried, because the host is left alone; `why` is "it did not answer 5 times"."""
    sentence = f"We stopped trying {host} until {until:%H:%M} UTC because {why} in a row."
    return replace(_deferred("4.4.1", sentence), not_before=until)


def hanging(host: str, until: datetime) -> Outcome:
    """Nothing was tried, because the sessions that others have with the host get no answer."""
    sentence = (
        f"{host} does not answer the copies before this one. It waits until {until:%H:%M} UTC."
    )
    return replace(_deferred("4.4.1", sentence), not_before=until)


def busy(host: str, until: datetime) -> Outcome:
    """Nothing was tried, because the sessions that others have with the host take very long."""
    sentence = (
        f"{host} takes very long for the copies before this one. It waits until {until:%H:%M} UTC."
    )
    return replace(_deferred("4.4.5", sentence), not_before=until)


def left_to_others(host: str, until: datetime) -> Outcome:
    """Nothing was tried, because other workers have all the sessions there may be with the host."""
    sentence = f"{host} takes as many copies as it may now. It waits until {until:%H:%M} UTC."
    return replace(_deferred("4.4.5", sentence), not_before=until)


def crowded(until: datetime) -> Outcome:
    """Nothing was tried, because other hosts that do not answer leave no room."""
    sentence = f"Too many other servers do not answer now. It waits until {until:%H:%M} UTC."
    return replace(_deferred("4.4.5", sentence, scope=Scope.TRANSPORT), not_before=until)


def winding_down(now: datetime) -> Outcome:
    """Nothing was tried, because the process that was to do it stops."""
    sentence = "The process that sends was stopped. Another one goes on."
    return replace(_deferred("4.3.2", sentence, scope=Scope.TRANSPORT), not_before=now)


def held(why: str) -> Outcome:
    """Nothing was tried, because the copy would travel worse than its sender was told."""
    return Outcome(result=Result.HELD, scope=Scope.RECIPIENT, enhanced="4.7.10", public=why)


def awaiting(why: str, until: datetime) -> Outcome:
    """The same of a copy that its sender lets wait until it travels as was told."""
    return replace(_deferred("4.7.10", why, scope=Scope.RECIPIENT), not_before=until)


def trouble_of(outcome: Outcome) -> Trouble | None:
    """Return what an outcome says against more sessions with the host, if anything."""
    if outcome.code == 421:
        return Trouble.BUSY
    if outcome.reply or outcome.result is not Result.DEFERRED:
        return None
    return Trouble.SILENT if outcome.enhanced in _UNANSWERED else None


def trouble_before_mail(outcome: Outcome) -> Trouble | None:
    """Return the same of a session that never got to MAIL: there, being put off is trouble too."""
    is_put_off = outcome.result is Result.DEFERRED and outcome.reply
    return Trouble.BUSY if is_put_off else trouble_of(outcome)


_UNANSWERED = frozenset({"4.4.1", "4.4.2", "4.5.0"})


def no_connection(host: str, address: str, why: str) -> Outcome:
    """Nobody answered."""
    return _deferred("4.4.1", f"{host} could not be reached at {address}: {why}.")


def lost(host: str, why: str, *, scope: Scope = Scope.HOST) -> Outcome:
    """The session ended without the reply it should have had."""
    return _deferred("4.4.2", f"The session with {host} ended early: {why}.", scope=scope)


def not_smtp(host: str, why: str) -> Outcome:
    """What the server said is not SMTP."""
    return _deferred("4.5.0", f"{host} broke the rules of SMTP: {why}")


def tls_failed(host: str, detail: str, *, reason: Reason = Reason.VALIDATION_FAILURE) -> Outcome:
    """STARTTLS was agreed on, and then TLS did not work."""
    return _deferred("4.7.5", f"TLS with {host} failed.", private=detail, reason=reason)


def lacks(host: str, what: str, enhanced: str) -> Outcome:
    """The server does not announce what this message needs; another host may."""
    return Outcome(
        result=Result.FAILED, scope=Scope.HOST, code=554, enhanced=enhanced, public=f"{host} {what}"
    )


def not_an_address(address: str) -> Outcome:
    """What should be an address is none that SMTP can carry."""
    return Outcome(
        result=Result.FAILED,
        scope=Scope.RECIPIENT,
        code=553,
        enhanced="5.1.3",
        public=f"{address} is not an address that mail can be sent to.",
    )


def no_host(facts: DomainFacts) -> Outcome:
    """DNS gives no host that takes mail for the domain."""
    domain = facts.domain
    final = {
        DnsFailure.NXDOMAIN: ("5.1.2", f"There is no domain {domain}."),
        DnsFailure.NULL_MX: ("5.1.10", f"{domain} says in DNS that it takes no mail."),
        DnsFailure.OWN_HOST: (
            "5.4.6",
            f"DNS names this server as the mail host of {domain}, but it is not one of ours.",
        ),
    }
    if facts.failure in final:
        enhanced, public = final[facts.failure]
        return Outcome(
            result=Result.FAILED,
            scope=Scope.DOMAIN,
            code=550,
            enhanced=enhanced,
            public=public,
            private=facts.detail,
        )
    sentence = {
        DnsFailure.TIMEOUT: f"DNS did not answer in time about {domain}",
        DnsFailure.ALIAS_LOOP: f"The aliases of {domain} lead in a circle",
    }.get(facts.failure or DnsFailure.SERVFAIL, f"DNS could not answer about {domain}")
    return _deferred(
        "4.4.3",
        _with_detail(sentence, facts.detail),
        scope=Scope.DOMAIN,
        reason=Reason.DNSSEC_INVALID if facts.dnssec is Dnssec.BOGUS else Reason.NONE,
    )


def no_address(facts: DomainFacts, host: HostFacts) -> Outcome:
    """A host has no address that could be tried."""
    if host.failure is DnsFailure.NO_ADDRESS and facts.is_implicit_mx:
        return Outcome(
            result=Result.FAILED,
            scope=Scope.DOMAIN,
            code=550,
            enhanced="5.1.2",
            public=f"{facts.domain} has no mail server: DNS names none, and no address either.",
            private=host.detail,
        )
    if host.failure is DnsFailure.NO_ADDRESS:
        return _deferred("4.4.4", f"{host.name} has no address in DNS.", private=host.detail)
    sentence = f"DNS could not answer about the address of {host.name}"
    return _deferred("4.4.3", _with_detail(sentence, host.detail))


def no_family(host: HostFacts) -> Outcome:
    """A host has addresses, but none of the family that this transport may use."""
    return _deferred(
        "4.4.4",
        f"{host.name} has no address of the kind that mail may leave by here.",
        scope=Scope.HOST,
    )


def proxy_failed(name: str, why: str) -> Outcome:
    """The proxy of a transport does not let us through; no mail server is to blame."""
    return _deferred(
        "4.4.1", barred_sentence(name, f"can't be used now: {why}."), scope=Scope.TRANSPORT
    )


def locked_out(name: str, told: Outcome) -> Outcome:
    """The relay does not take our log-in. That is our mistake, and bounces nobody's mail."""
    return replace(told, scope=Scope.TRANSPORT, public=barred_sentence(name, _CANNOT_LOG_IN))


def still_locked_out(name: str, why: str, until: datetime) -> Outcome:
    """Nothing was tried, because the log-in was refused before and nothing has changed."""
    sentence = barred_sentence(name, _CANNOT_LOG_IN)
    told = _deferred("4.7.8", sentence, scope=Scope.TRANSPORT, private=why)
    return replace(told, not_before=until)


def no_token(name: str, why: str, *, until: datetime | None) -> Outcome:
    """Nothing was tried, because there is no token to log in with: `until` then, or as locked out."""
    sentence = barred_sentence(name, _CANNOT_ASK if until else _CANNOT_LOG_IN)
    told = _deferred("4.7.8", sentence, scope=Scope.TRANSPORT, private=why)
    return replace(told, not_before=until)


_CANNOT_ASK = (
    "can't log in now: the server that lets us in for its relay could not be asked."
    " The copy is tried again."
)
_CANNOT_LOG_IN = "can't log in at its server. The copy waits until an operator has seen to it."


def nothing_tried(facts: DomainFacts) -> Outcome:
    """No host could be tried at all."""
    return _deferred("4.4.4", f"No mail server of {facts.domain} could be tried.")


def _with_detail(sentence: str, detail: str) -> str:
    return f"{sentence}: {detail.rstrip('.')}." if detail else f"{sentence}."


def _deferred(
    enhanced: str,
    public: str,
    *,
    scope: Scope = Scope.HOST,
    private: str = "",
    reason: Reason = Reason.NONE,
) -> Outcome:
    return Outcome(
        result=Result.DEFERRED,
        scope=scope,
        code=451,
        enhanced=enhanced,
        public=public,
        private=private,
        reason=reason,
    )


def of_all(outcomes: list[Outcome]) -> Outcome:
    """Return what several hosts' refusals mean together.

    A permanent one counts only if every host gave one (RFC 8689 §4.2.1 for REQUIRETLS, and the
    same care for the rest); else the first that may pass speaks. Hosts that were left alone speak
    only if no other does, and of them the one that is tried again first.
    """
    passing = [one for one in outcomes if one.result is Result.DEFERRED]
    tried = next((one for one in passing if not one.is_turned_away), None)
    if tried is not None or not passing:
        return tried or outcomes[0]
    return min(passing, key=lambda one: one.not_before or _LONG_AGO)
