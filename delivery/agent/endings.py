"""How sessions end, for those who write it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.agent.job import RecipientResult
from delivery.agent.session import Session
from delivery.policy.outcome import Outcome, Result
from delivery.policy.record import Mechanism
from delivery.policy.requirements import Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one session ended: the whole of it, and the recipients it decided."""

    outcome: Outcome
    results: tuple[RecipientResult, ...] = ()
    stopped_by: Mechanism = Mechanism.NONE
    requiretls_used: bool = False
    locked_out: str = ""


def summed_up(results: Iterable[RecipientResult], demanded: Demand) -> Ended:
    """Sum a session up: it delivered if it did so for anybody."""
    found = tuple(results)
    told = [one.outcome for one in found]
    outcome = next((one for one in told if one.result is Result.DELIVERED), told[0])
    return Ended(outcome=outcome, results=found, requiretls_used=demanded.requiretls)


def for_all(keys: Iterable[int], outcome: Outcome, *, locked_out: str = "") -> Ended:
    """Return the end of a session that decides the same for everybody."""
    results = tuple(RecipientResult(key=key, outcome=outcome) for key in keys)
    return Ended(outcome=outcome, results=results, locked_out=locked_out)


def elapsed_ms(started: datetime, ended: datetime) -> int:
    """Return the milliseconds between; a clock that was set back makes them none, never fewer."""
    return max(0, (ended - started) // timedelta(milliseconds=1))


@contextmanager
def aborted_on_the_way_out(session: Session) -> Iterator[Callable[[], object]]:
    """Close the connection at once if the block is left early, by cancellation for instance."""
    with ExitStack() as stack:
        stack.callback(session.abort)
        yield stack.pop_all
