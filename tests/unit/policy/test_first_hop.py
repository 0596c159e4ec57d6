"""What a relay must show, and what is foreseen of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from delivery.policy.facts import HostFacts, Proof, Starttls, TlsaState
from delivery.policy.first_hop import demand, foresee
from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.outcome import Result
from delivery.policy.record import LastSession, Mechanism
from delivery.policy.requirements import BY_DANE, BY_PKIX, Demand, Refusal, Tls
from delivery.policy.routing import barred
from delivery.policy.transport import Credentials, Kind, TlsRule, Transport, refusing
from delivery.policy.verdict import Way

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOST = HostFacts(name="smtp.test", preference=0)


def relay(**settings) -> Transport:
    return Transport(
        **{
            "name": "smarthost",
            "kind": Kind.RELAY,
            "hosts": ("smtp.test",),
            "port": 25,
            "tls": TlsRule.MAY,
            **settings,
        }
    )


LOGS_IN = relay(credentials=Credentials(username="u", secret="s"))


@pytest.mark.parametrize(
    ("transport", "order", "tls"),
    [
        (relay(), Order(), Tls.MAY),
        (relay(), Order(sender=SenderPolicy(allows_plain_text=False)), Tls.ENCRYPTED),
        (relay(), Order(mode=Mode.REQUIRETLS), Tls.PROVEN),
        (relay(tls=TlsRule.ENCRYPTED), Order(), Tls.ENCRYPTED),
        (relay(tls=TlsRule.VERIFIED), Order(mode=Mode.OPTIONAL), Tls.PROVEN),
        (relay(kind=Kind.SUBMISSION), Order(), Tls.ENCRYPTED),
        (LOGS_IN, Order(), Tls.PROVEN),
    ],
)
def test_the_stricter_of_the_transport_and_the_sender_counts(transport, order, tls):
    gate = demand(order, transport, HOST)
    assert isinstance(gate, Demand)
    assert gate.tls is tls
    assert gate.allows_plain_text is (tls is Tls.MAY)


def test_verified_waits_because_a_relay_proves_nothing_of_the_recipients_server():
    for order in (Order(mode=Mode.VERIFIED), Order(pledge=PledgeKind.VERIFIED)):
        refusal = demand(order, relay(), HOST)
        assert isinstance(refusal, Refusal)
        assert refusal.outcome.result is Result.DEFERRED
        assert refusal.stopped_by is Mechanism.ROUTE


def test_dane_of_the_relay_is_insisted_on_where_it_is_secure():
    strict = relay(tls=TlsRule.VERIFIED)
    with_dane = HostFacts(name="smtp.test", preference=0, tlsa_state=TlsaState.USABLE)
    silent = HostFacts(name="smtp.test", preference=0, tlsa_state=TlsaState.ERROR)
    assert demand(Order(), strict, HOST).accepts == BY_PKIX
    assert demand(Order(), strict, with_dane).accepts == BY_DANE
    assert isinstance(demand(Order(), strict, silent), Refusal)


def last(**shown) -> LastSession:
    return LastSession(
        **{
            "host": "smtp.test",
            "at": NOW - timedelta(days=1),
            "starttls": Starttls.OFFERED,
            "version": "TLSv1.3",
            "proofs": frozenset({Proof.PKIX}),
            **shown,
        }
    )


PLAIN = last(starttls=Starttls.NOT_OFFERED, version="", proofs=frozenset())


@pytest.mark.parametrize(
    ("transport", "mode", "seen", "way", "result"),
    [
        (relay(), Mode.DEFAULT, None, Way.UNKNOWN, None),
        (relay(), Mode.DEFAULT, last(), Way.UNKNOWN, Result.DELIVERED),
        (relay(), Mode.DEFAULT, PLAIN, Way.PLAIN, Result.DELIVERED),
        (relay(tls=TlsRule.ENCRYPTED), Mode.DEFAULT, PLAIN, Way.NOT_SENT, Result.DEFERRED),
        (relay(), Mode.VERIFIED, last(), Way.NOT_SENT, Result.DEFERRED),
        (relay(), Mode.REQUIRETLS, last(), Way.NOT_SENT, Result.FAILED),
        (
            relay(),
            Mode.REQUIRETLS,
            last(offers_requiretls=True),
            Way.REQUIRETLS,
            Result.DELIVERED,
        ),
        (relay(), Mode.REQUIRETLS, PLAIN, Way.NOT_SENT, Result.DEFERRED),
    ],
)
def test_what_is_foreseen_speaks_of_the_first_hop_alone(transport, mode, seen, way, result):
    forecast = foresee(Order(mode=mode), transport, seen, NOW)
    assert (forecast.way, forecast.result) == (way, result)
    if way in (Way.UNKNOWN, Way.PLAIN):
        assert forecast.sentence.endswith("What happens after it is not known here.")
        assert "smtp.test" in forecast.sentence


def test_what_is_paused_or_refuses_is_foreseen_as_such():
    waits = foresee(Order(), barred("smarthost", "is paused: no", NOW), None, NOW)
    assert (waits.way, waits.result) == (Way.NOT_SENT, Result.DEFERRED)
    fail = Transport(name="stop", kind=Kind.FAIL, refusal=refusing(550, "5.7.1", "Not from here."))
    told = foresee(Order(), fail, None, NOW)
    assert (told.way, told.result, told.sentence) == (Way.NOT_SENT, Result.FAILED, "Not from here.")


def test_a_secret_never_shows_when_a_transport_is_printed():
    assert "hunter2" not in repr(relay(credentials=Credentials(username="u", secret="hunter2")))
