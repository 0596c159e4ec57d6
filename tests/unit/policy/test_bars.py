"""The five bars and their words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.policy.bars import BarKey, BarState, bars_for
from delivery.policy.facts import (
    ALL_PARTS,
    Dnssec,
    Part,
    Starttls,
    StsFacts,
    StsMode,
    TlsaState,
)
from delivery.policy.record import Mechanism
from delivery.policy.words import bar_view, ledger_row
from tests.unit.policy.worlds import BARE, DANE, ENFORCE, NOW, STS, facts, host, record, seen


def bars(known=None, looked_up=None, *, checking=False):
    found = bars_for(known, looked_up, NOW, checking=checking)
    return {bar.key: bar for bar in found}


def states(known=None, looked_up=None, **options):
    return [bar.state.value for bar in bars(known, looked_up, **options).values()]


def words(known=None, looked_up=None, **options):
    return [bar_view(bar, "x.test", NOW).word for bar in bars(known, looked_up, **options).values()]


def test_the_order_never_changes():
    assert [bar.value for bar in bars()] == ["starttls", "mta_sts", "dnssec", "dane", "requiretls"]


def test_a_new_domain_is_unknown_and_then_checked():
    assert states() == ["unknown"] * 5
    assert states(checking=True) == ["unknown", "checking", "checking", "checking", "unknown"]


def test_parts_show_as_they_arrive():
    running = replace(DANE, parts=ALL_PARTS - {Part.DANE, Part.MTA_STS})
    assert states(None, running, checking=True)[1:4] == ["checking", "yes", "checking"]


def test_the_best_server_has_five_whole_bars():
    known = record(seen(requiretls=True, is_proven=True))
    world = facts(host(TlsaState.USABLE), sts=ENFORCE)
    assert words(known, world) == ["Yes", "Enforced", "Signed", "Matches", "Yes"]


def test_a_server_without_anything_has_five_quiet_ones():
    known = record(seen(starttls=Starttls.NOT_OFFERED))
    world = facts(dnssec=Dnssec.INSECURE)
    assert words(known, world) == ["No", "No policy", "Unsigned", "None", "No"]


@pytest.mark.parametrize(
    ("world", "key", "state"),
    [
        (facts(host(TlsaState.USABLE), host(name="b.x.test")), BarKey.DANE, BarState.NO),
        (facts(host(TlsaState.UNUSABLE)), BarKey.DANE, BarState.FAILED),
        (facts(host(TlsaState.ERROR)), BarKey.DANE, BarState.ERROR),
        (facts(host(TlsaState.UNCHECKED), dnssec=Dnssec.UNCHECKED), BarKey.DANE, BarState.ERROR),
        (facts(dnssec=Dnssec.UNCHECKED), BarKey.DNSSEC, BarState.ERROR),
        (facts(dnssec=Dnssec.BOGUS), BarKey.DNSSEC, BarState.FAILED),
        (facts(host(name="other.test"), sts=ENFORCE), BarKey.MTA_STS, BarState.FAILED),
        (facts(sts=StsFacts(mode=StsMode.ERROR)), BarKey.MTA_STS, BarState.ERROR),
        (facts(sts=StsFacts(mode=StsMode.TESTING)), BarKey.MTA_STS, BarState.NO),
        (STS, BarKey.MTA_STS, BarState.YES),
        (BARE, BarKey.DANE, BarState.NO),
    ],
)
def test_look_ups_tell_their_bar(world, key, state):
    assert bars(None, world)[key].state is state


def test_what_is_published_and_does_not_work_is_failed():
    stopped = record(seen(days_ago=3), seen(stopped_by=Mechanism.DANE))
    bar = bars(stopped, DANE)[BarKey.DANE]
    assert (bar.state, bar.host) == (BarState.FAILED, "mx.x.test")


def test_lost_is_drawn_apart_from_never_offered():
    known = record(seen(days_ago=2), seen(starttls=Starttls.NOT_OFFERED))
    view = bar_view(bars(known)[BarKey.STARTTLS], "x.test", NOW)
    assert (view.shape, view.word) == ("lost", "Lost")


def test_evidence_fades_after_a_month_and_is_forgotten_after_half_a_year():
    faded = bar_view(bars(record(seen(days_ago=31)))[BarKey.STARTTLS], "x.test", NOW)
    forgotten = bar_view(bars(record(seen(days_ago=181)))[BarKey.STARTTLS], "x.test", NOW)
    assert (faded.shape, forgotten.shape) == ("yes-old", "unknown")


def test_counts_and_dates_stand_beside_the_word():
    view = bar_view(
        bars(record(seen(days_ago=3), seen(days_ago=1)))[BarKey.STARTTLS], "x.test", NOW
    )
    assert (view.count, view.when) == ("2 of 2", "yesterday")


def test_testing_and_not_checked_have_words_of_their_own():
    testing = facts(sts=StsFacts(mode=StsMode.TESTING), dnssec=Dnssec.UNCHECKED)
    assert words(None, testing)[1:3] == ["Testing", "Not checked"]


def test_the_label_has_all_five_words():
    row = ledger_row("x.test", tuple(bars(None, BARE).values()), None, BARE, NOW)
    assert row.label == (
        "x.test: STARTTLS unknown, MTA-STS no policy, DNSSEC signed, DANE none, REQUIRETLS unknown"
    )
    assert row.since == "First message"


def test_every_bar_that_says_something_has_a_sentence():
    known = record(seen(days_ago=2), seen(starttls=Starttls.NOT_OFFERED))
    for view in ledger_row("x.test", tuple(bars(known, DANE).values()), known, DANE, NOW).bars:
        assert view.fact.endswith(".")
