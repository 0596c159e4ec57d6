"""What a sender can do about a copy that failed, waits, or is held for a word of theirs.

Only what can help is offered, the most promising first. No way out undoes a pledge or a rule of the
account in silence: where one stands against it, the words say so, or the way is to change the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from delivery.policy.modes import Mode, Order, PledgeKind
from delivery.policy.record import Mechanism
from delivery.policy.verdict import Forecast, Way


class Plight(StrEnum):
    """Why a copy needs its sender, or may profit from a word."""

    FAILED = "failed"
    WAITING = "waiting"
    HELD = "held"
    """It would travel worse than was promised."""


class Step(StrEnum):
    """What can be done; the values are parts of addresses."""

    SEND = "send"
    """All the same: held for its sender, it goes as it can."""

    WAIT = "wait"
    """Held for its sender, it goes as soon as it travels as promised."""

    AGAIN = "again"
    """Failed, it is tried for another lifetime."""

    DEFAULT = "default"
    """With the mode Default, from now on."""

    OPTIONAL = "optional"
    """With the mode TLS optional, from now on."""

    PLEDGES = "pledges"
    """Change the pledge that stands in the way."""

    OTHER = "other"
    """Open the message, to send it to another address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """One of them, in words."""

    step: Step
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A copy and what is known of its plight.

    `stopped_by` and `enhanced` are of its last attempt, `forecast` says how it would travel now.
    `lifetime_days` is how long it would be tried again, `has_content` whether its bytes are here.
    """

    plight: Plight
    domain: str
    order: Order
    stopped_by: Mechanism = Mechanism.NONE
    enhanced: str = ""
    forecast: Forecast | None = None
    has_content: bool = True
    lifetime_days: int = 5


_NO_SUCH_ADDRESS = frozenset(
    {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.6", "5.6.7"}
)
_TOO_LARGE = frozenset({"5.2.3", "5.3.4"})
_ABOUT_TLS = frozenset({"5.7.4", "5.7.5", "5.7.10", "5.7.30", "4.7.5", "4.7.10"})
_PUBLISHED = (Mechanism.DANE, Mechanism.MTA_STS)


def ways_out(trouble: Trouble) -> tuple[WayOut, ...]:
    """Return what can be done about it; nothing if waiting is all there is."""
    if trouble.plight is Plight.HELD:
        return _of_held(trouble)
    if trouble.plight is Plight.WAITING:
        return _around_tls(trouble)
    if not trouble.has_content or trouble.enhanced in _NO_SUCH_ADDRESS | _TOO_LARGE:
        return (_other(trouble),)
    around = _around_tls(trouble)
    if trouble.order.mode is Mode.DEFAULT:
        return (_again(trouble), *around, _other(trouble))
    return (*around, _again(trouble), _other(trouble))


def _of_held(trouble: Trouble) -> tuple[WayOut, ...]:
    wait = WayOut(
        step=Step.WAIT,
        title="Wait",
        text="It goes as soon as it travels as promised, and is looked at every hour.",
    )
    forecast = trouble.forecast
    if forecast is not None and forecast.way is Way.NOT_SENT:
        return (*_around_tls(trouble), wait)
    way = forecast.way if forecast is not None else Way.UNKNOWN
    return (WayOut(step=Step.SEND, title=_SEND[way], text=_SENT[way]), wait)


_SEND = dict.fromkeys(Way, "Send all the same") | {
    Way.PLAIN: "Send in plain text",
    Way.LOCAL: "Send",
}
_SENT = {
    Way.PLAIN: "Anyone on the way could read this copy.",
    Way.UNKNOWN: "As well as their server allows, in plain text if it offers nothing else.",
    Way.TLS: "Over TLS, to whoever answers there.",
    Way.VERIFIED: "Over verified TLS. What later servers do is not asked.",
    Way.REQUIRETLS: "It would travel as promised now.",
    Way.LOCAL: "It does not leave this server.",
}


def _around_tls(trouble: Trouble) -> tuple[WayOut, ...]:
    """Return how a copy gets through that TLS, or a rule about it, stands in the way of."""
    order, by = trouble.order, _stopped_by(trouble)
    if by is Mechanism.NONE and trouble.enhanced not in _ABOUT_TLS:
        return ()
    if order.mode is Mode.REQUIRETLS:
        return (_default("REQUIRETLS", order),)
    if order.pledge is PledgeKind.VERIFIED:
        return (
            WayOut(
                step=Step.PLEDGES,
                title="Change your pledge",
                text=f"You pledged to write to {trouble.domain} never without verified TLS.",
            ),
        )
    if order.mode is Mode.VERIFIED:
        return (_default("Verified", order),)
    if order.mode is Mode.OPTIONAL or by is Mechanism.NONE:
        return ()
    return (WayOut(step=Step.OPTIONAL, title="TLS optional, once", text=_once(order, by)),)


def _stopped_by(trouble: Trouble) -> Mechanism:
    if trouble.plight is Plight.HELD and trouble.forecast is not None:
        return trouble.forecast.stopped_by
    return trouble.stopped_by


def _default(name: str, order: Order) -> WayOut:
    text = "To this recipient only, as well as their server allows."
    if order.pledge is PledgeKind.VERIFIED:
        text = "To this recipient only. Verified TLS stays insisted on, as you pledged."
    elif not order.allows_plain_text:
        text = "To this recipient only. It never goes in plain text, as your rules say."
    return WayOut(step=Step.DEFAULT, title=f"Without {name}", text=text)


def _once(order: Order, by: Mechanism) -> str:
    text = "To this recipient only."
    if by in _PUBLISHED:
        text += " What their domain publishes is then ignored."
    if not order.allows_plain_text:
        return f"{text} It may go in plain text, which your rules forbid otherwise."
    return text if by in _PUBLISHED else f"{text} It may then travel in plain text."


def _again(trouble: Trouble) -> WayOut:
    days = trouble.lifetime_days
    span = "another day" if days <= 1 else f"another {_NUMBERS.get(days, str(days))} days"
    return WayOut(step=Step.AGAIN, title="Keep trying", text=f"As before, for {span}.")


_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}


def _other(trouble: Trouble) -> WayOut:
    if trouble.enhanced in _TOO_LARGE:
        return WayOut(
            step=Step.OTHER,
            title="Change the message",
            text="Opens it with the recipient empty, so that you can leave something out.",
        )
    return WayOut(
        step=Step.OTHER,
        title="Another address",
        text="Opens the message with the recipient empty.",
    )
