"""The memory of TLS: what counts as having had it, for how long, and what sets it aside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.policy.bars import BarKey, bars_for
from delivery.policy.choice import Case, choose
from delivery.policy.facts import Starttls, TlsaState
from delivery.policy.memory import TlsHistory, tls_history
from delivery.policy.modes import BrokenTls, Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.outcome import Result, Scope
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from delivery.policy.requirements import Demand, Tls, demand, judge
from delivery.policy.verdict import Way, foresee
from delivery.policy.words import bar_view
from tests.unit.policy.worlds import BARE, DANE, NOW, STS, facts, host, record, seen, session

STRIPPED = seen(days_ago=0.1, starttls=Starttls.NOT_OFFERED, delivered=False)
BROKEN = seen(days_ago=0.1, starttls=Starttls.FAILED, delivered=False)
TWELVE = tuple(seen(days_ago=day) for day in range(14, 2, -1))
LOST = record(*TWELVE, STRIPPED)
PLAIN_PLEDGED = Order(pledge=PledgeKind.PLAIN)
OPTIONAL = Order(mode=Mode.OPTIONAL)
ALWAYS_PLAIN = record(seen(starttls=Starttls.NOT_OFFERED), STRIPPED)


def remembered(known):
    return tls_history("x.test", known.starttls, NOW)


HISTORY = remembered(LOST)


def gate(order=Order(), world=BARE, history=HISTORY):  # noqa: B008
    return demand(order, world, world.hosts[0], history)


# What is remembered


def test_one_session_over_tls_is_remembered_with_its_date():
    history = remembered(record(seen(days_ago=3)))
    assert (history.hits, history.sessions, (NOW - history.last_at).days) == (1, 1, 3)


@pytest.mark.parametrize("last", [STRIPPED, BROKEN], ids=["not offered", "broken"])
def test_a_session_without_tls_never_wipes_the_memory(last):
    history = remembered(record(*TWELVE, last, last, last))
    assert (history.hits, history.sessions) == (12, 15)
    assert (NOW - history.last_at).days == 3


def test_a_copy_let_through_in_plain_text_does_not_wipe_it_either():
    assert remembered(record(*TWELVE, seen(days_ago=1, starttls=Starttls.NOT_OFFERED)))


@pytest.mark.parametrize(("days", "is_remembered"), [(179, True), (180, True), (181, False)])
def test_the_memory_ends_half_a_year_after_the_last_session_over_tls(days, is_remembered):
    known = record(seen(days_ago=days), STRIPPED)
    assert (remembered(known) is not None) is is_remembered


@pytest.mark.parametrize(
    "known", [record(), ALWAYS_PLAIN, record(BROKEN)], ids=["new", "plain", "never worked"]
)
def test_a_domain_that_never_ran_over_tls_is_not_remembered(known):
    assert remembered(known) is None


def test_the_evidence_is_told_with_numbers_and_a_date():
    assert HISTORY.told() == "x.test used TLS in 12 of 13 sessions, last on 11 May 2026"
    assert HISTORY.told("3 days ago") == "x.test used TLS in 12 of 13 sessions, last 3 days ago"
    once = TlsHistory(domain="x.test", last_at=NOW, hits=1, sessions=1)
    assert once.told() == "x.test used TLS in its only session so far, on 14 May 2026"


SESSIONS = st.lists(
    st.tuples(st.floats(min_value=0, max_value=400), st.sampled_from(list(Starttls))), max_size=12
)


@given(SESSIONS)
def test_whatever_happened_one_young_session_over_tls_forbids_plain_text(sessions):
    known = record(*(seen(days_ago=days, starttls=starttls) for days, starttls in sessions))
    had_tls = any(days <= 180 and starttls is Starttls.OFFERED for days, starttls in sessions)
    asked = gate(history=remembered(known))
    assert asked.allows_plain_text is not had_tls
    assert (foresee(Order(), BARE, known, NOW).way is not Way.PLAIN) or not had_tls


def test_what_is_written_down_late_does_not_replace_what_is_newer():
    known = record(seen(days_ago=1), seen(days_ago=2, starttls=Starttls.NOT_OFFERED))
    assert known.latest[0].starttls is Starttls.OFFERED
    late = record(seen(days_ago=1), seen(days_ago=9))
    assert (NOW - late.starttls.yes_at).days == 1


def test_a_session_over_tls_ends_the_wait_even_if_nothing_was_sent():
    stopped = record(*TWELVE, seen(starttls=Starttls.NOT_OFFERED, stopped_by=Mechanism.HISTORY))
    assert (stopped.stopped_by, stopped.stops) == (Mechanism.HISTORY, 1)
    checked = stopped.after(seen(days_ago=0, delivered=False))
    assert (checked.stopped_by, checked.stops, checked.stopped_since) == (Mechanism.NONE, 0, None)


# The gates


def test_default_does_not_go_back_to_plain_text():
    asked = gate()
    assert (asked.tls, asked.allows_plain_text, asked.by) == (
        Tls.ENCRYPTED,
        False,
        Mechanism.HISTORY,
    )


@pytest.mark.parametrize("order", [OPTIONAL, PLAIN_PLEDGED], ids=["tls optional", "pledge"])
def test_the_sender_may_allow_plain_text_all_the_same(order):
    assert gate(order) == Demand()


def test_tls_optional_does_not_outrank_a_pledge_of_verified_tls():
    asked = gate(Order(mode=Mode.OPTIONAL, pledge=PledgeKind.VERIFIED))
    assert asked.tls is Tls.PROVEN


def test_a_pledge_of_plain_text_outranks_the_memory_even_where_the_account_allows_none():
    order = Order(pledge=PledgeKind.PLAIN, sender=SenderPolicy(allows_plain_text=False))
    assert gate(order) == Demand()


@pytest.mark.parametrize(
    ("world", "by"),
    [
        (DANE, Mechanism.DANE),
        (STS, Mechanism.MTA_STS),
        (facts(host(TlsaState.UNUSABLE)), Mechanism.DANE),
    ],
    ids=["dane", "mta-sts", "unusable tlsa"],
)
def test_what_the_domain_publishes_comes_before_what_is_remembered(world, by):
    assert gate(world=world).by is by


def test_the_account_that_never_sends_in_the_clear_is_named_before_the_memory():
    order = Order(sender=SenderPolicy(allows_plain_text=False))
    assert gate(order).by is Mechanism.TLS


@pytest.mark.parametrize("mode", [Mode.VERIFIED, Mode.REQUIRETLS])
def test_stricter_modes_ask_for_what_they_always_asked_for(mode):
    order = Order(mode=mode)
    assert gate(order) == gate(order, history=None)


def test_stripped_starttls_defers_for_this_host_with_dated_evidence():
    plain = session(version="", starttls=Starttls.NOT_OFFERED)
    refusal = judge(gate(), plain, HISTORY)
    outcome = refusal.outcome
    assert (outcome.result, outcome.scope) == (Result.DEFERRED, Scope.HOST)
    assert (outcome.reason, outcome.enhanced) == (Reason.STARTTLS_NOT_SUPPORTED, "4.7.10")
    assert refusal.stopped_by is Mechanism.HISTORY
    assert "in 12 of 13 sessions, last on 11 May 2026, and does not now." in outcome.public
    assert "TLS optional" in outcome.public


def test_a_session_over_tls_passes_whoever_answers():
    assert judge(gate(), session(), HISTORY) is None


# What compose says


@pytest.mark.parametrize(
    ("last", "words"),
    [(STRIPPED, "did not offer it"), (BROKEN, "could not bring it up")],
    ids=["not offered", "broken"],
)
def test_compose_foresees_that_the_copy_waits_and_says_why(last, words):
    forecast = foresee(Order(), BARE, record(*TWELVE, last), NOW)
    assert (forecast.way, forecast.result, forecast.stopped_by) == (
        Way.NOT_SENT,
        Result.DEFERRED,
        Mechanism.HISTORY,
    )
    assert "x.test used TLS in 12 of 13 sessions, last 3 days ago, and " in forecast.sentence
    assert words in forecast.sentence


@pytest.mark.parametrize("order", [OPTIONAL, PLAIN_PLEDGED], ids=["tls optional", "pledge"])
def test_compose_foresees_plain_text_where_it_is_allowed(order):
    forecast = foresee(order, BARE, LOST, NOW)
    assert (forecast.way, forecast.result) == (Way.PLAIN, Result.DELIVERED)


def test_compose_foresees_plain_text_once_it_is_forgotten():
    forgotten = record(seen(days_ago=181), STRIPPED)
    assert foresee(Order(), BARE, forgotten, NOW).way is Way.PLAIN


def test_compose_says_that_tls_is_insisted_on_while_it_is_there():
    forecast = foresee(Order(), BARE, record(*TWELVE), NOW)
    assert forecast.way is Way.TLS
    assert "because it was there before" in forecast.sentence


@pytest.mark.parametrize("on_broken_tls", list(BrokenTls))
def test_what_is_remembered_is_never_set_aside_by_rule(on_broken_tls):
    stopped = LOST.after(
        seen(days_ago=0, starttls=Starttls.NOT_OFFERED, stopped_by=Mechanism.HISTORY)
    )
    (copy,) = choose(
        (Case(address="a@x.test", domain="x.test", facts=BARE, record=stopped),),
        by_hand=None,
        sender=SenderPolicy(),
        on_broken_tls=on_broken_tls,
        is_list_reply=False,
        now=NOW,
    ).copies
    assert (copy.mode, copy.needs_consent) == (Mode.DEFAULT, False)
    assert copy.forecast.stopped_by is Mechanism.HISTORY


def test_the_bar_says_what_the_memory_means():
    bar = bars_for(LOST, BARE, NOW)[0]
    view = bar_view(bar, "x.test", NOW)
    assert (bar.key, view.word) == (BarKey.STARTTLS, "Lost")
    assert view.means == (
        "TLS was there before, last 3 days ago: a copy waits rather than travel in plain text."
    )
