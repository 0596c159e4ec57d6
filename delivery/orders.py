"""What an operator can order for copies in the queue, and what each order needs to be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from delivery.models import DUE_STATES, State, Transport
from delivery.policy.modes import Mode
from delivery.policy.transport import DIRECT, ROUTES
from mailweb.lib.errors import UserError

WAITING_STATES = (*DUE_STATES, State.HELD)
LATEST = timedelta(days=60)
"""How far ahead mail can be put off (RFC 4865 leaves the limit to the server)."""

REASON_CHARS = 300


class BadOrderError(UserError):
    """That can't be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One thing that can be done; `needs` names what must be said, `takes` what may be."""

    name: str
    label: str
    states: tuple[State, ...]
    meaning: str
    needs: frozenset[str] = frozenset()
    takes_now: bool = False
    """Whether the next attempt can be made at once, too."""

    is_final: bool = False


_TOLD = frozenset({"reason"})
VERBS = {
    one.name: one
    for one in (
        Verb(
            name="hold",
            label="Hold",
            states=DUE_STATES,
            meaning="Nothing leaves until it is released. Its sender sees the reason in the outbox.",
            needs=_TOLD,
        ),
        Verb(
            name="release",
            label="Release",
            states=(State.HELD,),
            meaning="Held copies leave now; mail that was to be sent later keeps its time.",
        ),
        Verb(
            name="kick",
            label="Try now",
            states=DUE_STATES,
            meaning="The next attempt is made now. Scheduled mail leaves at once, too.",
        ),
        Verb(
            name="schedule",
            label="Set another time",
            states=DUE_STATES,
            meaning="The next attempt is made at the time you give.",
            needs=frozenset({"time"}),
        ),
        Verb(
            name="mode",
            label="Change the TLS mode",
            states=WAITING_STATES,
            meaning="From the next attempt on, TLS is asked for as you say here.",
            needs=frozenset({"mode"}),
            takes_now=True,
        ),
        Verb(
            name="transport",
            label="Set the transport",
            states=WAITING_STATES,
            meaning="From the next attempt on it goes the way you choose; with none, the routes decide.",
            needs=frozenset({"transport"}),
            takes_now=True,
        ),
        Verb(
            name="fail",
            label="Fail, and tell the sender",
            states=WAITING_STATES,
            meaning="It is given up. Its sender gets a notice with the reason, and can send it again.",
            needs=_TOLD,
            is_final=True,
        ),
        Verb(
            name="drop",
            label="Drop, and tell nobody",
            states=WAITING_STATES,
            meaning="It is thrown away. Nobody gets a notice, and it can't be brought back.",
            is_final=True,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One verb with what it needs."""

    verb: Verb
    reason: str = ""
    mode: Mode | None = None
    transport: str | None = None
    at: datetime | None = None
    is_now: bool = False
    """Whether what may leave is tried at once, with the change; what is held stays held."""

    @property
    def starts(self) -> bool:
        """Whether copies become due by it."""
        return self.verb.name in ("kick", "release") or self.is_now

    @property
    def values(self) -> dict[str, Any]:
        """What was said beside the reason, as a log keeps it."""
        said = {
            "mode": self.mode.value if self.mode else None,
            "transport": self.transport,
            "at": self.at.isoformat() if self.at else None,
            "tried": "now" if self.is_now else None,
        }
        return {name: value for name, value in said.items() if value is not None}

    @property
    def told(self) -> str:
        """The same in words."""
        return ", ".join(f"{name} {value or ROUTES}" for name, value in self.values.items())


def check(order: Order, *, now: datetime) -> None:
    """Refuse what can't be meant.

    Raises:
        BadOrderError: something is missing, too long, or too far away.
    """
    needs = order.verb.needs
    if order.is_now and not order.verb.takes_now:
        raise BadOrderError("That says by itself when the next attempt is made.")
    if len(order.reason) > REASON_CHARS:
        raise BadOrderError(f"A reason has at most {REASON_CHARS} characters.", field="reason")
    if "mode" in needs and order.mode is None:
        raise BadOrderError("Say which TLS mode.", field="mode")
    if "transport" in needs:
        _check_transport(order.transport)
    if "time" in needs:
        _check_time(order.at, now)


def _check_time(at: datetime | None, now: datetime) -> None:
    if at is None:
        raise BadOrderError("Say when.", field="at")
    if at > now + LATEST:
        raise BadOrderError(f"Mail can be put off by {LATEST.days} days at most.", field="at")


def _check_transport(name: str | None) -> None:
    if name is None:
        raise BadOrderError("Say which transport.", field="transport")
    if name not in ("", DIRECT) and not Transport.objects.filter(name=name).exists():
        raise BadOrderError(f"There is no transport “{name}”.", field="transport")


def transport_named(word: str) -> str:
    """Return what a copy's column has for a word of operators; nothing for `routes`."""
    return "" if word == ROUTES else word


def transport_choices() -> list[tuple[str, str]]:
    """Return every word for a transport with what it means: one query."""
    rows = Transport.objects.order_by("name").values_list("name", "paused_at")
    named = [(name, f"{name} (paused)" if paused else name) for name, paused in rows]
    return [
        (ROUTES, "None: the routes decide"),
        (DIRECT, "Direct, whatever the routes say"),
        *named,
    ]
