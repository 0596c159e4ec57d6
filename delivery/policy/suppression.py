"""Decide which refusals speak about an address, and for how long it is then left alone.

Only the recipient's own server can say that a mailbox does not exist, and only where it speaks
of one recipient. A refusal of the sender, of our address, of the content or of TLS says nothing
about the mailbox; one listing by a block list must not close every address of the world.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from delivery.policy.outcome import Result, Scope
from delivery.policy.reasons import Reason

if TYPE_CHECKING:
    from delivery.policy.outcome import Outcome

# RFC 3463 §3.2 and §3.3. Not 5.1.2 and 5.1.10: they are about the domain. Not 5.1.7 and 5.1.8: about the sender.
ADDRESS_CODES: Final = frozenset(
    {
        "5.1.1",  # no such mailbox
        "5.1.3",  # not an address there
        "5.1.6",  # moved, and mail is not passed on
        "5.2.1",  # switched off
    }
)

# Some servers answer with an address code what is really about us.
_ABOUT_US: Final = re.compile(
    r"block(?:ed|list| list|ing)|black-?list|dnsbl|\brbl\b|spamhaus|spamcop|\bspam\b|reputation|"
    r"\bpolicy\b|\bspf\b|\bdkim\b|\bdmarc\b|rate.?limit|relay(?:ing)? (?:access )?denied|\btls\b",
    re.IGNORECASE,
)

TIMES_TO_LIVE: Final = (
    timedelta(days=1),
    timedelta(days=7),
    timedelta(days=30),
    timedelta(days=180),
)


def key_of(local_part: str, domain: str) -> str:
    """Return what two spellings of one mailbox have in common; `domain` in A-labels.

    Servers may tell local parts apart by case (RFC 5321 §2.4); none that takes mail from
    strangers does. Nothing else is folded: `a.b` and `ab`, `a+x` and `a` may be two people.
    """
    return f"{local_part.casefold()}@{domain.lower()}"


def is_about_address(code: int | None, enhanced: str, reply: str) -> bool:
    """Whether a server's reply says, for good, that there is no such mailbox."""
    is_permanent = code is not None and 500 <= code <= 599
    return is_permanent and enhanced in ADDRESS_CODES and not _ABOUT_US.search(reply)


def opens_address(outcome: Outcome) -> bool:
    """Whether this end of a try shows that the address exists: its own server took the message.

    A relay takes mail for every address, and finds out later.
    """
    return outcome.result is Result.DELIVERED and not outcome.is_first_hop


def closes_address(outcome: Outcome) -> bool:
    """Whether this end of a try puts the recipient's address on the sender's list.

    The recipient's own server has spoken, for good, about this recipient alone: in its answer to
    RCPT, or to the content where nobody else was to get it. No sentence of our own ever does.
    """
    return (
        outcome.result is Result.FAILED
        and not outcome.is_first_hop
        and outcome.scope is Scope.RECIPIENT
        and bool(outcome.reply)
        and outcome.reason is Reason.NONE
        and is_about_address(outcome.code, outcome.enhanced, outcome.reply)
    )


def time_to_live(times: int) -> timedelta:
    """Return how long an address is left alone after its refusal number `times`, from one on."""
    return TIMES_TO_LIVE[min(max(times, 1), len(TIMES_TO_LIVE)) - 1]
