"""What a sender wants to be told about a message (RFC 3461), and what that means here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from delivery.smtp import LocalProtocolError, Mail, Notify, Rcpt, Ret

LONGEST_ORCPT: Final = 500
"""RFC 3461 §5: how long the value of ORCPT may be as it is sent."""


class BadReportingError(ValueError):
    """A wish about reports that SMTP could not carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """The wishes for one message; the defaults mean that nothing was said.

    `notify` holds for the recipients that have none of their own. `ret` says how much of the
    message a report of failure returns, and `envid` is quoted in every report.
    """

    ret: Ret | None = None
    envid: str = ""
    notify: frozenset[Notify] = frozenset()

    def __post_init__(self) -> None:
        try:
            Mail("", ret=self.ret, envid=self.envid or None)
            Rcpt("postmaster", notify=self.notify)
        except LocalProtocolError as error:
            raise BadReportingError(str(error)) from None


TELL_WHEN_DELIVERED: Final = Reporting(
    notify=frozenset({Notify.SUCCESS, Notify.FAILURE, Notify.DELAY})
)
"""What "Tell me when it is delivered" asks for: that as well, not instead."""


def check_orcpt(orcpt: str) -> None:
    """Refuse an original recipient that a later server could not be told: "rfc822;bob@x.test".

    Raises:
        BadReportingError: it is none, or too long.
    """
    try:
        line = Rcpt("postmaster", orcpt=orcpt).to_bytes()
    except LocalProtocolError as error:
        raise BadReportingError(str(error)) from None
    if len(line) - len(b"RCPT TO:<postmaster> ORCPT=\r\n") > LONGEST_ORCPT:
        raise BadReportingError(f"An original recipient has at most {LONGEST_ORCPT} characters.")


def to_stored(notify: frozenset[Notify]) -> str:
    """Return the form kept with a recipient: "SUCCESS,FAILURE", or empty if nothing was said."""
    return ",".join(word for word in Notify if word in notify)


def from_stored(notify: str) -> frozenset[Notify]:
    """Read what `to_stored` wrote."""
    return frozenset(map(Notify, notify.split(","))) if notify else frozenset()


def wants(notify: str, about: Notify) -> bool:
    """Return whether a sender with these wishes is told about `about`.

    RFC 3461 §4.1: where nothing was said failures are told, and delays as a server sees fit.
    """
    return about in notify.split(",") if notify else about is not Notify.SUCCESS
