"""What compose foresees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.policy.facts import ALL_PARTS, DnsFailure, Part, Starttls, TlsaState
from delivery.policy.modes import Mode, Order, SenderPolicy
from delivery.policy.record import Mechanism
from delivery.policy.verdict import Way, foresee
from tests.unit.policy.worlds import BARE, DANE, NOW, STS, facts, host, record, seen

DEFAULT = Order()
REQUIRETLS = Order(mode=Mode.REQUIRETLS)
VERIFIED = Order(mode=Mode.VERIFIED)
NEVER_PLAIN = Order(sender=SenderPolicy(allows_plain_text=False))
TLS_SEEN = record(seen())
PLAIN_SEEN = record(seen(starttls=Starttls.NOT_OFFERED))
BROKEN_SEEN = record(seen(starttls=Starttls.FAILED, delivered=False))
ANNOUNCED = record(seen(requiretls=True, is_proven=True))


@pytest.mark.parametrize(
    ("order", "world", "known", "way"),
    [
        (DEFAULT, BARE, None, Way.UNKNOWN),
        (DEFAULT, BARE, TLS_SEEN, Way.TLS),
        (DEFAULT, BARE, PLAIN_SEEN, Way.PLAIN),
        (DEFAULT, BARE, BROKEN_SEEN, Way.PLAIN),
        (DEFAULT, DANE, None, Way.VERIFIED),
        (DEFAULT, STS, None, Way.VERIFIED),
        (NEVER_PLAIN, BARE, PLAIN_SEEN, Way.NOT_SENT),
        (NEVER_PLAIN, BARE, TLS_SEEN, Way.TLS),
        (NEVER_PLAIN, BARE, None, Way.UNKNOWN),
        (VERIFIED, BARE, None, Way.UNKNOWN),
        (VERIFIED, BARE, TLS_SEEN, Way.NOT_SENT),
        (VERIFIED, BARE, record(seen(is_proven=True)), Way.VERIFIED),
        (REQUIRETLS, DANE, None, Way.UNKNOWN),
        (REQUIRETLS, DANE, TLS_SEEN, Way.NOT_SENT),
        (REQUIRETLS, DANE, ANNOUNCED, Way.REQUIRETLS),
        (REQUIRETLS, BARE, ANNOUNCED, Way.NOT_SENT),
    ],
)
def test_the_way_follows_from_order_facts_and_evidence(order, world, known, way):
    assert foresee(order, world, known, NOW).way is way


def test_nothing_is_foreseen_while_look_ups_run():
    running = replace(BARE, parts=ALL_PARTS - {Part.DANE})
    assert foresee(DEFAULT, running, TLS_SEEN, NOW).way is Way.UNKNOWN
    assert foresee(DEFAULT, None, TLS_SEEN, NOW).way is Way.UNKNOWN


@pytest.mark.parametrize("failure", [DnsFailure.NXDOMAIN, DnsFailure.NULL_MX])
def test_a_domain_that_takes_no_mail_is_told_at_once(failure):
    forecast = foresee(DEFAULT, replace(facts(), hosts=(), failure=failure), None, NOW)
    assert (forecast.way, forecast.is_final) == (Way.NOT_SENT, True)


def test_dns_that_gives_no_answer_is_not_a_refusal():
    silent = replace(facts(), hosts=(), failure=DnsFailure.SERVFAIL)
    assert foresee(DEFAULT, silent, None, NOW).way is Way.UNKNOWN


def test_a_policy_that_stopped_the_last_message_stops_this_one():
    stopped = record(seen(stopped_by=Mechanism.DANE))
    forecast = foresee(DEFAULT, DANE, stopped, NOW)
    assert (forecast.way, forecast.stopped_by) == (Way.NOT_SENT, Mechanism.DANE)


def test_tls_optional_gets_past_a_broken_policy():
    stopped = record(seen(stopped_by=Mechanism.DANE))
    assert foresee(Order(mode=Mode.OPTIONAL), DANE, stopped, NOW).way is Way.TLS


def test_evidence_older_than_half_a_year_counts_as_none():
    assert foresee(DEFAULT, BARE, record(seen(days_ago=181)), NOW).way is Way.UNKNOWN


def test_the_weakest_host_is_told():
    mixed = facts(host(TlsaState.USABLE), host(name="backup.x.test"))
    assert foresee(DEFAULT, mixed, PLAIN_SEEN, NOW).way is Way.PLAIN
