from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.policy.modes import SenderPolicy
from delivery.policy.outcome import Outcome, Result, Scope
from tests.unit.policy.worlds import NOW, RECORD

OURS = Outcome(
    result=Result.FAILED,
    scope=Scope.HOST,
    code=554,
    enhanced="5.7.30",
    public="It does not announce REQUIRETLS.",
)


def test_last_reply_is_the_servers_whole_answer():
    reply = "550-5.1.1 no such\n550 5.1.1 mailbox"
    assert replace(OURS, reply=reply).last_reply == reply


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (OURS, "554 5.7.30 It does not announce REQUIRETLS."),
        (replace(OURS, code=None), "5.7.30 It does not announce REQUIRETLS."),
        (replace(OURS, code=None, enhanced="", public=""), ""),
    ],
)
def test_where_no_server_spoke_our_sentence_stands_with_its_code(outcome: Outcome, words: str):
    assert outcome.last_reply == words


@pytest.mark.parametrize("result", Result)
def test_only_what_is_put_off_is_not_final(result: Result):
    assert replace(OURS, result=result).is_final is (result is not Result.DEFERRED)


def test_what_was_turned_away_says_until_when():
    assert not OURS.is_turned_away
    assert replace(OURS, not_before=NOW).is_turned_away


def test_tlsa_record_is_written_as_in_dns():
    assert str(RECORD) == "3 1 1 " + "00" * 32


def test_sender_policy_is_read_as_it_was_stored():
    strict = SenderPolicy(allows_plain_text=False, accepts_pkix=True)
    assert SenderPolicy.from_json(strict.as_json()) == strict
    assert SenderPolicy.from_json({}) == SenderPolicy()
