"""Getting in at a relay: who we are, told once for each session, after it proved who it is."""

from __future__ import annotations

from dataclasses import dataclass

from delivery import sasl
from delivery.agent import outcomes
from delivery.agent.login import log_in
from delivery.agent.session import Session
from delivery.policy.outcome import Outcome
from delivery.policy.transport import Credentials
from delivery.sasl import DEFAULT_MECHANISMS, Mechanism, strongest


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Why a session may not be used. `locked_out` is set if no further try would help."""

    outcome: Outcome
    locked_out: str = ""


async def admit(session: Session) -> Barred | None:
    """Log in if the session's transport asks for that and it was not done; None if all is well.

    The caller has seen to it that the session showed the TLS that the transport demands.
    """
    via = session.target.via
    if via is None or not via.is_relay or via.credentials is None or session.mechanism:
        return None
    found = await log_in(
        session,
        for_sasl(via.credentials),
        allowed=tuple(map(Mechanism, via.credentials.mechanisms)) or DEFAULT_MECHANISMS,
        pinned=strongest(
            via.credentials.pinned, dict(via.credentials.proven).get(session.host, "")
        ),
    )
    if found.outcome is None:
        session.mechanism = found.mechanism or ""
        return None
    told = found.outcome.private or found.outcome.public
    return Barred(
        outcome=outcomes.locked_out(via.name, found.outcome),
        locked_out=told if found.pauses else "",
    )


def for_sasl(known: Credentials) -> sasl.Credentials:
    """Return the same for a log-in; where only XOAUTH2 will do, the secret is a token.

    Raises:
        CredentialsError: no mechanism can carry them.
    """
    if known.mechanisms == (Mechanism.XOAUTH2,):
        return sasl.Credentials(username=known.username, token=known.secret)
    return sasl.Credentials(username=known.username, secret=known.secret)
