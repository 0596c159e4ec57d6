from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.reasons import Reason
from delivery.policy.suppression import closes_address, key_of, opens_address, time_to_live

NO_MAILBOX = Outcome(
    result=Result.FAILED,
    scope=Scope.RECIPIENT,
    code=550,
    enhanced="5.1.1",
    reply="550 5.1.1 <friend@x.test>: there is no such mailbox",
)


@pytest.mark.parametrize("enhanced", ["5.1.1", "5.1.3", "5.1.6", "5.2.1"])
def test_a_refusal_with_an_address_code_closes_the_address(enhanced):
    assert closes_address(replace(NO_MAILBOX, enhanced=enhanced))


@pytest.mark.parametrize(
    "enhanced",
    [
        "",
        "5.0.0",
        "5.1.0",
        "5.1.2",
        "5.1.7",
        "5.1.8",
        "5.1.10",
        "5.2.2",
        "5.4.1",
        "5.7.1",
        "5.7.30",
    ],
)
def test_other_codes_say_nothing_about_the_mailbox(enhanced):
    assert not closes_address(replace(NO_MAILBOX, enhanced=enhanced))


@pytest.mark.parametrize("scope", [Scope.HOST, Scope.DOMAIN, Scope.MESSAGE, Scope.TRANSPORT])
def test_what_speaks_of_more_than_the_recipient_closes_nothing(scope):
    assert not closes_address(replace(NO_MAILBOX, scope=scope))


def test_what_may_pass_closes_nothing():
    later = replace(NO_MAILBOX, result=Result.DEFERRED, code=450, enhanced="4.1.1")
    assert not closes_address(later)


def test_a_reply_in_the_class_of_450_closes_nothing_whatever_its_enhanced_code():
    assert not closes_address(replace(NO_MAILBOX, code=450))


def test_a_sentence_of_our_own_closes_nothing():
    assert not closes_address(replace(NO_MAILBOX, reply="", public="There is no such mailbox."))


def test_trouble_with_tls_closes_nothing():
    assert not closes_address(replace(NO_MAILBOX, reason=Reason.CERTIFICATE_EXPIRED))


@pytest.mark.parametrize(
    "words",
    [
        "blocked using zen.spamhaus.example",
        "your address is on our blacklist",
        "rejected for policy reasons",
        "message looks like spam",
        "poor reputation of 192.0.2.1",
        "SPF check failed",
        "listed in an RBL",
        "Must issue STARTTLS: TLS is required",
    ],
)
def test_an_address_code_with_words_about_us_closes_nothing(words):
    assert not closes_address(replace(NO_MAILBOX, reply=f"550 5.1.1 {words}"))


def test_each_refusal_counts_for_longer_than_the_one_before():
    days = [time_to_live(times) // timedelta(days=1) for times in (1, 2, 3, 4, 5, 99)]
    assert days == [1, 7, 30, 180, 180, 180]


def test_case_is_folded_and_nothing_else():
    assert key_of("Friend", "X.test") == key_of("friend", "x.test")
    assert len({key_of(one, "x.test") for one in ("a.b", "ab", "a+b", "a-b", "a")}) == 5


def test_what_a_relay_says_or_takes_is_no_word_of_the_recipients_own_server():
    taken = Outcome(result=Result.DELIVERED, scope=Scope.RECIPIENT, code=250, reply="250 ok")
    assert opens_address(taken)
    assert not opens_address(replace(taken, is_first_hop=True))
    assert not closes_address(replace(NO_MAILBOX, is_first_hop=True))
