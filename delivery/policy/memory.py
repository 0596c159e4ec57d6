"""How long evidence counts, and the memory of TLS that forbids plain text.

RFC 7435 §3: opportunistic security takes the protection that is there. Where TLS was there before
and is not now, an attacker in between looks exactly like an operator who switched it off, so a
copy waits until its sender says which of the two it is.

The rule: **one session over TLS within the last half year forbids plain text**, whatever later
sessions showed. A session without TLS changes the state of the record, but never the date of
the last session that had it, so stripping STARTTLS does not wipe the memory; nor does a copy that
its sender let travel in the clear. Only time does. `Order.outweighs_history` has the exceptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.policy.record import Track

FADES_AFTER = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsHistory:
    """What an account remembers of TLS with a domain: enough to refuse plain text, and to say why.

    `hits` of `sessions` ran over TLS, the last of them at `last_at`.
    """

    domain: str
    last_at: datetime
    hits: int
    sessions: int

    def told(self, last: str = "") -> str:
        """Return "x.test used TLS in 12 of 13 sessions, last yesterday".

        `last` says when, in the reader's words; without it the date is written out, for
        sentences that are kept.
        """
        when = last or f"on {self.last_at.day} {self.last_at:%B %Y}"
        if self.sessions == 1:
            return f"{self.domain} used TLS in its only session so far, {when}"
        return f"{self.domain} used TLS in {self.hits} of {self.sessions} sessions, last {when}"


def known(track: Track, now: datetime) -> Track:
    """Return the track as it counts for decisions: evidence that is too old counts as none."""
    return Track() if _is_too_old(track.seen_at, now) else track


def tls_history(domain: str, starttls: Track, now: datetime) -> TlsHistory | None:
    """Return what forbids plain text to `domain`, or None if nothing that counts is remembered."""
    if starttls.yes_at is None or _is_too_old(starttls.yes_at, now):
        return None
    return TlsHistory(
        domain=domain,
        last_at=starttls.yes_at,
        hits=starttls.hits,
        sessions=starttls.sessions,
    )


def _is_too_old(at: datetime | None, now: datetime) -> bool:
    return at is None or now - at > FORGOTTEN_AFTER
