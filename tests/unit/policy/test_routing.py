"""By which way a copy leaves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from delivery.policy.outcome import Result, Scope
from delivery.policy.routing import WAITS_FOR, Level, Question, Route, Table, matches
from delivery.policy.transport import Kind, Transport

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TRANSPORTS = [
    Transport(name=name, kind=Kind.RELAY, hosts=("smtp.test",), port=25)
    for name in ("smarthost", "backup", "tor")
]


def way(*rows: Route, **asked) -> str:
    question = Question(
        **{
            "account": 1,
            "sender_domain": "mailweb.test",
            "recipient_domain": "x.example.org",
            **asked,
        }
    )
    decision = Table.of(rows, TRANSPORTS).decide(question, now=NOW)
    return decision.transport.name if decision.transport else "direct"


def test_without_a_route_mail_goes_direct():
    assert way() == "direct"


@pytest.mark.parametrize(
    ("domain", "pattern", "fits"),
    [
        ("example.org", "example.org", True),
        ("x.example.org", "example.org", False),
        ("example.org", ".example.org", True),
        ("x.y.example.org", ".example.org", True),
        ("notexample.org", ".example.org", False),
        ("example.org", ".org", True),
    ],
)
def test_a_suffix_means_the_domain_and_all_below_it(domain, pattern, fits):
    assert matches(domain, pattern) is fits


@pytest.mark.parametrize(
    ("route", "fits"),
    [
        ({}, True),
        ({"sender_domains": ("mailweb.test",)}, True),
        ({"sender_domains": ("other.test",)}, False),
        ({"recipient_domains": (".example.org", "a.test")}, True),
        ({"recipient_domains": ("example.org",)}, False),
        ({"minimum_attempts": 3}, False),
        ({"level": Level.ACCOUNT, "account": 1}, True),
        ({"level": Level.ACCOUNT, "account": 2}, False),
        ({"level": Level.DOMAIN, "domain": "mailweb.test"}, True),
        ({"level": Level.DOMAIN, "domain": "other.test"}, False),
        ({"sender_domains": ("mailweb.test",), "recipient_domains": ("a.test",)}, False),
    ],
)
def test_all_conditions_of_a_route_must_hold(route, fits):
    found = way(Route(key=1, transport="smarthost", **route))
    assert found == ("smarthost" if fits else "direct")


def test_the_account_is_asked_before_the_domain_and_that_before_everybody():
    rows = [
        Route(key=1, transport="tor"),
        Route(key=2, level=Level.DOMAIN, domain="mailweb.test", transport="backup"),
        Route(key=3, level=Level.ACCOUNT, account=1, transport="smarthost", position=999),
    ]
    assert way(*rows) == "smarthost"
    assert way(*rows, account=2) == "backup"
    assert way(*rows, account=2, sender_domain="other.test") == "tor"


def test_the_first_that_fits_decides_also_if_it_leads_to_direct():
    first = Route(key=9, recipient_domains=(".example.org",), position=1)
    rows = [Route(key=1, transport="smarthost", position=2), first]
    assert way(*rows) == "direct"
    assert way(*rows, recipient_domain="a.test") == "smarthost"


@pytest.mark.parametrize(("attempts", "expected"), [(0, "direct"), (2, "direct"), (3, "smarthost")])
def test_from_the_fourth_attempt_on_means_after_three(attempts, expected):
    row = Route(key=1, minimum_attempts=3, transport="smarthost")
    assert way(row, attempts_made=attempts) == expected


def test_a_bounce_has_no_sender_domain():
    row = Route(key=1, sender_domains=("mailweb.test",), transport="smarthost")
    assert way(row, sender_domain="") == "direct"


def test_what_an_operator_gave_to_the_copy_outranks_all_routes():
    row = Route(key=1, transport="smarthost")
    assert way(row, asked="tor") == "tor"
    assert way(row, asked="direct") == "direct"


def test_an_unknown_transport_makes_the_copy_wait_and_never_fails_it():
    decision = Table.of([Route(key=1, transport="gone")], TRANSPORTS).decide(
        Question(account=1, sender_domain="a.test", recipient_domain="b.test"), now=NOW
    )
    assert decision.transport is not None
    barred = decision.transport.barred
    assert barred is not None
    assert (barred.result, barred.scope) == (Result.DEFERRED, Scope.TRANSPORT)
    assert barred.is_turned_away
    assert barred.not_before == NOW + WAITS_FOR
    assert "“gone”" in barred.public


def test_the_explanation_names_the_route_and_its_conditions():
    row = Route(
        key=7, recipient_domains=(".example.org",), minimum_attempts=3, transport="smarthost"
    )
    decision = Table.of([row], TRANSPORTS).decide(
        Question(
            account=1, sender_domain="a.test", recipient_domain="example.org", attempts_made=3
        ),
        now=NOW,
    )
    assert decision.route == 7
    assert decision.because == (
        "Route 7 for everybody: mail to .example.org after 3 attempts goes through “smarthost”."
    )
    nothing = Table.of([], []).decide(
        Question(account=None, sender_domain="", recipient_domain="b.test"), now=NOW
    )
    assert nothing.because == "No route fits, so it goes direct."
