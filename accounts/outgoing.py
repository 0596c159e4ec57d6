"""Where mail leaves from, and whether the SPF record of a domain lets it pass from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from accounts.lookup import NoAnswerError
from accounts.posture import spf
from accounts.posture.records import Record, Verdict
from accounts.posture.spf import DnsTroubleError, SpfResult
from delivery import selectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.posture.records import Lookup

_WHY = "Mail of the domain from there passes (SPF, RFC 7208)."


def extra_addresses() -> list[str]:
    """Return the addresses that mail leaves from beside those that the host name has in DNS."""
    return list(dict.fromkeys((*settings.SMTP_SOURCE_ADDRESSES, *selectors.exits().addresses)))


def verdicts(domain: str, look_up: Lookup) -> list[Verdict]:
    """Return for each address that mail leaves from whether the published record lets it pass."""
    found = [
        _verdict(domain, address, whose, look_up) for address, whose in _places(look_up).items()
    ]
    unnamed = selectors.exits().unnamed
    return found + [_unnamed(domain, name) for name in unnamed]


def _places(look_up: Lookup) -> dict[str, str]:
    """Return every address with what is known of it."""
    host = settings.MAIL_HOSTNAME
    own = settings.SMTP_SOURCE_ADDRESSES or [*look_up(host, "A"), *look_up(host, "AAAA")]
    places = dict.fromkeys(own, "this server")
    return places | selectors.exits().addresses


def _verdict(domain: str, address: str, whose: str, look_up: Lookup) -> Verdict:
    record = Record(name=domain, kind="TXT", value="", mark="v=spf1", why=_WHY)
    found = spf.check(
        address=address,
        sender=f"postmaster@{domain}",
        helo=settings.MAIL_HOSTNAME,
        look_up=lambda name, kind: _asked(look_up, name, kind),
    )
    passes = found.result is SpfResult.PASS
    told = f"SPF says {found.result} for mail from {address} ({whose})"
    details = " ".join(
        part for part in (f"by {found.term}." if found.term else "", found.why) if part
    )
    remedy = "" if passes else f" Add ip{6 if ':' in address else 4}:{address} to the record."
    return Verdict(
        record=record,
        will_do=passes,
        sentence=f"{told}{' ' if found.term else '. '}{details}{remedy}",
    )


def _unnamed(domain: str, name: str) -> Verdict:
    record = Record(name=domain, kind="TXT", value="", mark="v=spf1", why=_WHY)
    sentence = (
        f"Nobody can tell whether SPF lets mail through the proxy “{name}” pass: name the addresses "
        "it is seen from on the transport."
    )
    return Verdict(record=record, will_do=False, sentence=sentence)


def _asked(look_up: Lookup, name: str, kind: str) -> Sequence[str]:
    try:
        return look_up(name, kind)
    except NoAnswerError as error:
        raise DnsTroubleError(error.sentence) from error
