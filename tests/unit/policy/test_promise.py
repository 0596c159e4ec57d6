"""Mail that leaves later leaves as well as it was promised, or its sender is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.policy.facts import DnsFailure, Starttls
from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.promise import Promise, broken, is_worth_keeping
from delivery.policy.record import Mechanism
from delivery.policy.verdict import Way
from tests.unit.policy.worlds import BARE, DANE, NOW, STS, facts, record, seen

DEFAULT = Order()
VERIFIED = Order(mode=Mode.VERIFIED)
REQUIRETLS = Order(mode=Mode.REQUIRETLS)
OPTIONAL = Order(mode=Mode.OPTIONAL)
NEVER_PLAIN = Order(sender=SenderPolicy(allows_plain_text=False))
PLAIN_PLEDGED = Order(pledge=PledgeKind.PLAIN)

TLS = record(seen())
PROVEN = record(seen(is_proven=True))
ANNOUNCED = record(seen(requiretls=True, is_proven=True))
PLAIN = record(seen(starttls=Starttls.NOT_OFFERED))
STRIPPED = record(seen(days_ago=9), seen(starttls=Starttls.NOT_OFFERED))
DANE_BROKEN = record(seen(stopped_by=Mechanism.DANE))

NO_ANSWER = replace(facts(), hosts=(), failure=DnsFailure.SERVFAIL)
NO_DOMAIN = replace(facts(), hosts=(), failure=DnsFailure.NXDOMAIN)


@pytest.mark.parametrize(
    ("promised", "order", "world", "known", "words"),
    [
        # As good as promised, or better.
        (Way.TLS, DEFAULT, BARE, TLS, ""),
        (Way.TLS, DEFAULT, DANE, None, ""),
        (Way.VERIFIED, DEFAULT, DANE, PROVEN, ""),
        (Way.VERIFIED, DEFAULT, STS, None, ""),
        (Way.REQUIRETLS, REQUIRETLS, DANE, ANNOUNCED, ""),
        # Worse.
        (Way.VERIFIED, DEFAULT, BARE, TLS, "over TLS that proves nobody"),
        (Way.VERIFIED, DEFAULT, BARE, None, "nothing tells how"),
        (Way.VERIFIED, DEFAULT, DANE, DANE_BROKEN, "DANE record of x.test"),
        (Way.VERIFIED, PLAIN_PLEDGED, BARE, PLAIN, "in plain text"),
        (Way.TLS, DEFAULT, BARE, PLAIN, "in plain text"),
        (Way.TLS, DEFAULT, BARE, STRIPPED, "x.test offers no TLS"),
        (Way.TLS, NEVER_PLAIN, BARE, PLAIN, "does not come up to that"),
        (Way.TLS, OPTIONAL, BARE, PLAIN, "in plain text"),
        (Way.REQUIRETLS, REQUIRETLS, DANE, PROVEN, "does not come up to that"),
        (Way.REQUIRETLS, DEFAULT, DANE, PROVEN, "no promise for the servers after that"),
        (Way.LOCAL, DEFAULT, DANE, ANNOUNCED, "leave this server"),
        # The mode itself sees to it, whatever is known: the gates let nothing less pass.
        (Way.VERIFIED, VERIFIED, BARE, None, ""),
        (Way.REQUIRETLS, REQUIRETLS, DANE, None, ""),
        # Nothing was promised.
        (Way.UNKNOWN, DEFAULT, BARE, PLAIN, ""),
        (Way.PLAIN, DEFAULT, BARE, STRIPPED, ""),
        (Way.NOT_SENT, VERIFIED, BARE, PLAIN, ""),
        # What has nothing to do with TLS is told by the attempt itself.
        (Way.VERIFIED, DEFAULT, NO_ANSWER, PROVEN, ""),
        (Way.VERIFIED, DEFAULT, NO_DOMAIN, PROVEN, ""),
    ],
)
def test_a_promise_is_kept_or_its_breach_is_told(promised, order, world, known, words):
    told = broken(Promise(way=promised, record=known), order, world, NOW)
    assert (words in told) if words else told == ""


def test_the_sentence_says_what_was_promised_and_fits_its_column():
    told = broken(Promise(way=Way.TLS, record=STRIPPED), DEFAULT, BARE, NOW)
    assert told == "When you sent this, it was to go over TLS. Now x.test offers no TLS."


@pytest.mark.parametrize("way", list(Way))
def test_only_what_protects_is_a_promise(way):
    assert is_worth_keeping(way) is (way not in (Way.NOT_SENT, Way.PLAIN, Way.UNKNOWN))
