from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.agent.fair import FairQueue, Party

PARTIES = st.builds(Party, st.sampled_from([1, 2, 3, None]), st.sampled_from(["a.test", "b.test"]))


def queue_of(*items: tuple[Party, object]) -> FairQueue[object]:
    queue: FairQueue[object] = FairQueue()
    for party, item in items:
        queue.add(party, item)
    return queue


def drained(queue: FairQueue[object]) -> list[object]:
    return [queue.next() for _ in range(len(queue))]


def test_one_copy_does_not_stand_behind_ten_thousand_of_another_account():
    many, single = Party(1, "d.test"), Party(2, "d.test")
    queue = queue_of(*((many, number) for number in range(10_000)), (single, "mine"))
    assert [queue.next() for _ in range(2)] == [0, "mine"]


def test_domains_of_one_account_take_turns_too():
    one, other = Party(1, "a.test"), Party(1, "b.test")
    queue = queue_of((one, "a1"), (one, "a2"), (one, "a3"), (other, "b1"))
    assert drained(queue) == ["a1", "b1", "a2", "a3"]


def test_an_account_gains_nothing_by_writing_to_many_domains():
    wide = [(Party(1, f"d{number}.test"), "wide") for number in range(5)]
    narrow = [(Party(2, "d.test"), "narrow")] * 5
    assert drained(queue_of(*wide, *narrow)) == ["wide", "narrow"] * 5


def test_within_a_party_first_come_is_first_served():
    party = Party(None, "d.test")
    assert drained(queue_of((party, 1), (party, 2), (party, 3))) == [1, 2, 3]


def test_who_waits_no_longer_is_taken_out():
    party, other = Party(1, "a.test"), Party(2, "a.test")
    queue = queue_of((party, "gone"), (other, "stays"))
    queue.remove(party, "gone")
    queue.remove(party, "never was here")
    assert drained(queue) == ["stays"]
    assert not queue


def test_nothing_comes_out_of_an_empty_queue():
    with pytest.raises(KeyError):
        FairQueue().next()


@given(st.lists(PARTIES, max_size=60))
def test_everything_comes_out_once_and_nobody_is_passed_twice(parties: list[Party]):
    came = [
        party for party in drained(queue_of(*((p, p) for p in parties))) if isinstance(party, Party)
    ]
    assert Counter(came) == Counter(parties)
    for account in {party.account for party in parties}:
        turns = [at for at, party in enumerate(came) if party.account == account]
        for before, after in itertools.pairwise(turns):
            others = [party.account for party in came[before + 1 : after]]
            assert len(others) == len(set(others))
