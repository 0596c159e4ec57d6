"""Which mode is chosen, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.policy.choice import Case, choose
from delivery.policy.facts import Starttls
from delivery.policy.modes import BrokenTls, Mode, PledgeKind, SenderPolicy
from delivery.policy.record import Mechanism
from delivery.policy.verdict import Way
from tests.unit.policy.worlds import BARE, DANE, NOW, STS, record, seen

ANNOUNCED = record(seen(requiretls=True, is_proven=True))
STOPPED = record(seen(requiretls=True, stopped_by=Mechanism.DANE))


def case(facts=DANE, known=ANNOUNCED, **changes):
    return Case(address="a@x.test", domain="x.test", facts=facts, record=known, **changes)


def choice(*cases, by_hand=None, on_broken_tls=BrokenTls.ASK, is_list_reply=False):
    return choose(
        cases,
        by_hand=by_hand,
        sender=SenderPolicy(),
        on_broken_tls=on_broken_tls,
        is_list_reply=is_list_reply,
        now=NOW,
    )


@pytest.mark.parametrize("facts", [DANE, STS], ids=["dane", "mta-sts"])
def test_requiretls_is_chosen_where_it_is_announced_and_a_policy_proves_the_server(facts):
    chosen = choice(case(facts))
    assert chosen.mode is Mode.REQUIRETLS
    assert "announced it" in chosen.because


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (case(BARE), "publishes neither"),
        (case(known=None), "nothing is known yet"),
        (case(known=record(seen())), "did not announce"),
        (case(BARE, record(seen(starttls=Starttls.NOT_OFFERED))), "its only session"),
        (case(None), "still running"),
        (case(known=record(seen(days_ago=200, requiretls=True))), "nothing is known yet"),
    ],
)
def test_one_recipient_who_can_not_take_it_means_default_and_is_named(other, words):
    chosen = choice(case(), other)
    assert chosen.mode is Mode.DEFAULT
    assert words in chosen.because
    assert chosen.because.endswith("REQUIRETLS needs both.")


def test_without_a_recipient_or_a_copy_that_leaves_there_is_nothing_to_choose():
    assert choice().because == "until there is a recipient."
    assert choice(case(is_local=True)).because == "because no copy leaves this server."


def test_lost_tls_is_told_apart_from_tls_that_never_was():
    lost = record(seen(days_ago=2, requiretls=True), seen(starttls=Starttls.NOT_OFFERED))
    assert "in its last session" in choice(case(BARE, known=lost)).because


def test_two_servers_that_can_are_both_named():
    other = replace(case(STS), domain="y.test")
    assert "both servers announced it and publish a policy" in choice(case(), other).because


def test_an_answer_to_a_mailing_list_never_gets_requiretls():
    assert choice(case(), is_list_reply=True).mode is Mode.DEFAULT


def test_recipients_of_this_server_do_not_stand_in_the_way():
    local = Case(
        address="bob@mailweb.test", domain="mailweb.test", facts=None, record=None, is_local=True
    )
    chosen = choice(case(), local)
    assert chosen.mode is Mode.REQUIRETLS
    assert [copy.forecast.way for copy in chosen.copies] == [Way.REQUIRETLS, Way.LOCAL]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_choice_by_hand_is_never_replaced(mode):
    chosen = choice(case(BARE, None), by_hand=mode)
    assert (chosen.mode, chosen.copies[0].mode) == (mode, mode)


def test_a_choice_by_hand_for_one_copy_outranks_the_one_for_the_message():
    chosen = choice(case(by_hand=Mode.REQUIRETLS), case(), by_hand=Mode.DEFAULT)
    assert [copy.mode for copy in chosen.copies] == [Mode.REQUIRETLS, Mode.DEFAULT]


def test_a_broken_policy_offers_tls_optional_for_that_copy_alone_and_asks():
    chosen = choice(case(), case(known=STOPPED))
    assert [copy.mode for copy in chosen.copies] == [Mode.DEFAULT, Mode.OPTIONAL]
    assert [copy.needs_consent for copy in chosen.copies] == [False, True]


def test_an_account_may_have_it_done_without_asking_or_never():
    automatic = choice(case(known=STOPPED), on_broken_tls=BrokenTls.AUTOMATIC).copies[0]
    never = choice(case(known=STOPPED), on_broken_tls=BrokenTls.NEVER).copies[0]
    assert (automatic.mode, automatic.needs_consent) == (Mode.OPTIONAL, False)
    assert never.mode is Mode.DEFAULT


def test_tls_optional_is_never_offered_against_a_pledge():
    pledged = choice(case(known=STOPPED, pledge=PledgeKind.VERIFIED)).copies[0]
    assert (pledged.mode, pledged.needs_consent) == (Mode.VERIFIED, False)


def test_tls_optional_never_replaces_a_stricter_choice_by_hand():
    assert choice(case(known=STOPPED), by_hand=Mode.REQUIRETLS).copies[0].mode is Mode.REQUIRETLS


def test_a_success_since_ends_the_offer():
    repaired = STOPPED.after(seen(days_ago=0.5, requiretls=True))
    assert choice(case(known=repaired)).copies[0].mode is Mode.REQUIRETLS


def test_without_recipients_nothing_is_chosen_yet():
    assert choice().mode is Mode.DEFAULT
