"""Logging in at a relay, over a session that is open.

Rule: whatever goes wrong speaks of our own way out and is temporary. No message fails because of
a password, and none of what is noted down has a secret in it.
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace

from delivery.agent.binding import bindings_of
from delivery.agent.dialogue import codes_of
from delivery.agent.errors import SessionError
from delivery.agent.session import Session
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.sasl import (
    DEFAULT_MECHANISMS,
    ChannelBinding,
    Choice,
    Credentials,
    Ending,
    Exchange,
    Mechanism,
    MechanismError,
    Refusal,
    choose,
)
from delivery.sasl import Result as Ended
from delivery.smtp import Command, Reply, State

LONGEST = 300.0
"""Seconds for the whole log-in; each reply in it has the time of `TIMEOUTS`."""

LONGEST_QUOTE = 300
"""Characters of a server's reply that operators are shown."""

_PASSWORD_IS_OLD = 432
"""RFC 4954 §6: a person has to do something, although the code is of 4yz."""

_NOT_NOW = "We could not log in now at the server that passes our mail on. The message waits."
_NOT_BEFORE_SOMEBODY_LOOKS = (
    "The server that passes our mail on does not let us log in."
    " The message waits until an operator has seen to it."
)
_WORDS = {
    Refusal.NOT_OFFERED: ("4.7.4", "does not offer to log in"),
    Refusal.NONE_IN_COMMON: (
        "4.7.4",
        "offers no way to log in that is allowed and has what it needs",
    ),
    Refusal.NEEDS_TLS: ("4.7.11", "could only be told the password in clear text, without TLS"),
    Refusal.CANNOT_BIND: (
        "4.7.4",
        "offers only log-ins bound to TLS, which this connection can't be",
    ),
    Refusal.WEAKER: ("4.7.9", "offers only log-ins that are weaker than the one that is pinned"),
}
_WHAT_TO_DO = " Pinned is {pinned}. If the server really lost it, allow only what is left."


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """How a log-in ended.

    `mechanism` is the one that was used, or tried. `binding` names what it was bound to, empty if
    it was not. `outcome` is None if we are logged in; else it is always temporary and of scope
    `TRANSPORT`, with `private` for operators. `pauses` says that trying again is of no use before
    a person has done something.
    """

    mechanism: Mechanism | None = None
    binding: str = ""
    outcome: Outcome | None = None
    pauses: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether mail may be sent now."""
        return self.outcome is None

    @property
    def is_bound(self) -> bool:
        """Whether the log-in was tied to this very TLS connection, so that nobody sits in it."""
        return self.is_ok and bool(self.binding)


async def log_in(
    session: Session,
    credentials: Credentials,
    *,
    allowed: Sequence[Mechanism] = DEFAULT_MECHANISMS,
    pinned: Mechanism | None = None,
) -> LogIn:
    """Log in by the strongest mechanism of `allowed` that the server offers.

    `pinned` is the strongest one that was ever used there: a weaker one is refused (see
    `delivery.sasl.choose`). Whether the TLS of the session is good enough for a password is for
    the caller to know: it must have let the session through first. A session that cannot go on
    has been closed.
    """
    ended = await _log_in(session, credentials, allowed=allowed, pinned=pinned)
    result = "ok" if ended.is_ok else "paused" if ended.pauses else "deferred"
    session.observer.logged_in(str(ended.mechanism or "none"), result)
    return ended


async def _log_in(
    session: Session,
    credentials: Credentials,
    *,
    allowed: Sequence[Mechanism],
    pinned: Mechanism | None,
) -> LogIn:
    connection = session.tls_connection
    choice = choose(
        offered=session.smtp.extensions.auth,
        credentials=credentials,
        is_tls=connection is not None,
        allowed=allowed,
        bindings=bindings_of(connection) if connection is not None else (),
        pinned=pinned,
    )
    if isinstance(choice, Refusal):
        return _refused_to_try(session, choice, pinned)
    try:
        async with asyncio.timeout(LONGEST * session.time_scale):
            return await _try_bindings(session, credentials, choice)
    except TimeoutError:
        session.abort()
        words = (
            f"{session.host} did not come to the end of the log-in by {choice.mechanism} in time."
        )
        return LogIn(mechanism=choice.mechanism, outcome=_outcome("4.4.2", words))
    except SessionError as error:
        return LogIn(mechanism=choice.mechanism, outcome=_of_transport(error.outcome))
    except MechanismError as error:
        words = f"The log-in at {session.host} by {choice.mechanism} is impossible: {error}."
        return _paused(choice.mechanism, "4.7.8", words)


async def _try_bindings(session: Session, credentials: Credentials, choice: Choice) -> LogIn:
    """Run the mechanism once; if it binds, with each kind of binding until one is understood."""
    if not choice.mechanism.binds:
        binding = choice.bindings[0] if choice.hides_binding else None
        ending = await _run(session, credentials, choice, binding)
        return _ended(session, credentials, ending, choice)
    for binding in choice.bindings:
        ending = await _run(session, credentials, choice, binding)
        if not _may_be_the_binding(session, ending):
            return replace(_ended(session, credentials, ending, choice), binding=binding.name)
    return _ended(session, credentials, ending, choice)


def _may_be_the_binding(session: Session, ending: Ending) -> bool:
    """Return whether the server refused before it could look at any proof of the password."""
    is_refused = ending.reply is not None and ending.reply.is_permanent
    is_open = ending.is_usable and session.smtp.state is State.READY
    return ending.result is not Ended.LOGGED_IN and not ending.has_proved and is_refused and is_open


async def _run(
    session: Session, credentials: Credentials, choice: Choice, binding: ChannelBinding | None
) -> Ending:
    exchange = Exchange(choice.start(credentials, nonce=secrets.token_hex(18), binding=binding))
    command: Command | None = exchange.begin()
    while command is not None:
        reply = await session.exchange(command)
        if choice.mechanism.is_scram and reply.is_intermediate:
            # The server's iteration count says how long this takes, and others have sessions too.
            command = await asyncio.to_thread(exchange.take, reply)
        else:
            command = exchange.take(reply)
    ending = exchange.ending
    if ending is None:
        raise AssertionError("An exchange without another command has ended.")
    if not ending.is_usable:
        session.abort()
    return ending


def _ended(session: Session, credentials: Credentials, ending: Ending, choice: Choice) -> LogIn:
    if ending.result is Ended.LOGGED_IN:
        return LogIn(mechanism=ending.mechanism)
    host, name, reply = session.host, ending.mechanism, ending.reply
    if ending.result is Ended.BROKEN:
        return _paused(name, "4.7.0", f"{host} broke the log-in by {name}: {ending.why}.")
    if reply is None:
        raise AssertionError("A refusal has a reply.")
    said = _words_of(reply, credentials)
    detail = f" ({ending.why})" if ending.why else ""
    words = f"{host} refused the log-in by {name}{detail}: “{said}”."
    if not (reply.is_permanent or reply.code == _PASSWORD_IS_OLD):
        return LogIn(mechanism=name, outcome=_outcome("4.7.0", words))
    if ending.has_proved:
        return _paused(name, "4.7.8", words)
    return _paused(name, "4.7.9", f"{words}{_suspicion(choice)}")


def _suspicion(choice: Choice) -> str:
    """Say what a refusal before any proof of the password may mean."""
    if choice.mechanism.binds:
        kinds = ", ".join(binding.name for binding in choice.bindings)
        return f" It refused before it saw a proof, for each kind of channel binding ({kinds})."
    if choice.hides_binding:
        return (
            " It refused before it saw a proof, and announced no channel binding:"
            " somebody in between may have struck that out."
        )
    return ""


def _refused_to_try(session: Session, refusal: Refusal, pinned: Mechanism | None) -> LogIn:
    enhanced, words = _WORDS[refusal]
    offers = " ".join(name[:40] for name in session.smtp.extensions.auth[:20]) or "nothing"
    demand = _WHAT_TO_DO.format(pinned=pinned) if refusal is Refusal.WEAKER else ""
    session.note(f"no log-in: {refusal}")
    return _paused(None, enhanced, f"{session.host} {words}. It offers {offers}.{demand}")


def _words_of(reply: Reply, credentials: Credentials) -> str:
    """Return what the server said, or its codes alone if that repeats what must stay secret."""
    secret, token, name = credentials.secret, credentials.token, credentials.username
    responses = (
        f"\0{name}\0{secret}",
        secret,
        f"user={name}\x01auth=Bearer {token}\x01\x01",
        token,
    )
    telling = [secret, token, *(b64encode(one.encode()).decode() for one in responses)]
    is_told = any(one and one in reply.whole for one in telling)
    # It stands in a log line and in a column; servers may go on for pages.
    return codes_of(reply) if is_told else " ".join(reply.whole.split())[:LONGEST_QUOTE]


def _of_transport(outcome: Outcome) -> Outcome:
    """Return what the end of a session means here: nothing about any message."""
    return replace(
        outcome,
        result=Result.DEFERRED,
        scope=Scope.TRANSPORT,
        public=_NOT_NOW,
        private=f"{outcome.public} {outcome.private}".rstrip(),
    )


def _paused(mechanism: Mechanism | None, enhanced: str, private: str) -> LogIn:
    return LogIn(
        mechanism=mechanism,
        outcome=_outcome(enhanced, private, waits_for_operator=True),
        pauses=True,
    )


def _outcome(enhanced: str, private: str, *, waits_for_operator: bool = False) -> Outcome:
    return Outcome(
        result=Result.DEFERRED,
        scope=Scope.TRANSPORT,
        code=454,
        enhanced=enhanced,
        public=_NOT_BEFORE_SOMEBODY_LOOKS if waits_for_operator else _NOT_NOW,
        private=private,
    )
