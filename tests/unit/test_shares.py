"""How a drain is shared out: nobody's mail stands in the way of everybody's."""

from __future__ import annotations

import dataclasses

from delivery.agent.job import Job, JobRecipient
from delivery.policy.modes import Mode, Order, SenderPolicy
from delivery.shares import MOST_BYTES, MOST_SLOW, SLOW_SECONDS, Shares

ALICE, BOB = 1, 2


def job_for(domain: str, *, account: int | None = None, content: bytes = b"") -> Job:
    return Job(
        mail_from="",
        domain=domain,
        recipients=(JobRecipient(key=1, address=f"friend@{domain}"),),
        order=Order(mode=Mode.DEFAULT, pledge=None, sender=SenderPolicy()),
        content=content,
        account=account,
    )


def begin(
    shares: Shares, number: int, domain: str, *, account: int | None = None, at: float = 0
) -> list[Job]:
    jobs = [dataclasses.replace(job_for(domain, account=account)) for _ in range(number)]
    for job in jobs:
        shares.begin(job, at)
    return jobs


def sharing(most: int, *answering: str) -> Shares:
    """Return shares in which these domains have answered."""
    shares = Shares(most=most)
    for domain in answering:
        (job,) = begin(shares, 1, domain)
        shares.end(job, has_answered=True)
    return shares


def test_at_first_nobody_is_full():
    room = Shares(most=100).room
    assert not room.full_domains
    assert not room.full_owners


def test_an_account_alone_gets_half_and_the_next_one_half_of_the_rest():
    shares = sharing(100, "one.test", "two.test")
    begin(shares, 49, "one.test", account=ALICE)
    assert not shares.room.full_owners
    begin(shares, 1, "one.test", account=ALICE)
    assert shares.room.full_owners == {ALICE}
    begin(shares, 25, "two.test", account=BOB)
    assert shares.room.full_owners == {ALICE, BOB}
    assert shares.free == 25


def test_a_domain_alone_gets_two_thirds():
    shares = sharing(90, "one.test")
    begin(shares, 59, "one.test")
    assert not shares.room.full_domains
    begin(shares, 1, "one.test")
    assert shares.room.full_domains == {"one.test"}


def test_an_account_with_its_share_leaves_room_for_others_at_the_same_domain():
    shares = sharing(100, "one.test")
    begin(shares, 50, "one.test", account=ALICE)
    assert shares.room.full_owners == {ALICE}
    assert not shares.room.full_domains


def test_one_claim_alone_does_not_take_what_belongs_to_others():
    shares = sharing(100, "one.test")
    begin(shares, shares.next_claim, "one.test")
    assert shares.free == 50
    assert Shares(most=1).next_claim == 1


def test_an_account_that_writes_to_many_domains_is_passed_over_too():
    shares = sharing(10, *(f"d{number}.test" for number in range(5)))
    for number in range(5):
        begin(shares, 1, f"d{number}.test", account=ALICE)
    assert shares.room.full_owners == {ALICE}
    assert not shares.room.full_domains
    begin(shares, 1, "other.test", account=BOB)
    assert BOB not in shares.room.full_owners


def test_a_domain_has_one_job_until_it_has_answered():
    shares = Shares(most=100)
    assert "new.test" not in shares.room.answering
    (job,) = begin(shares, 1, "new.test")
    assert shares.room.full_domains == {"new.test"}
    assert shares.end(job, has_answered=True)
    assert "new.test" in shares.room.answering
    (again,) = begin(shares, 1, "new.test")
    assert not shares.room.full_domains
    assert not shares.end(again, has_answered=True)


def test_a_quick_failure_is_an_answer_too_and_a_slow_one_is_not():
    shares = Shares(most=100)
    (quick,) = begin(shares, 1, "refused.test")
    assert shares.end(quick, has_answered=False)
    (slow,) = begin(shares, 1, "refused.test")
    shares.age(SLOW_SECONDS)
    assert not shares.end(slow, has_answered=False)
    assert "refused.test" not in shares.room.answering


def test_slow_jobs_take_no_room_until_there_are_too_many_of_them():
    shares = sharing(10, "slow.test")
    jobs = []
    for turn in range(MOST_SLOW):
        jobs += begin(shares, 10, "slow.test", account=ALICE, at=turn)
        assert shares.free == 0
        shares.age(turn + SLOW_SECONDS)
    assert shares.free == 0
    shares.end(jobs[0], has_answered=True)
    assert shares.free == 10
    assert not shares.room.full_owners


def test_waiting_for_a_turn_here_is_nobodys_slowness(monkeypatch):
    shares = sharing(10, "one.test")
    (served, in_line) = begin(shares, 2, "one.test", at=100.0)
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    with in_line.line:
        shares.age(100 + SLOW_SECONDS)
        assert shares.free == 9
        assert not shares.end(served, has_answered=False)
        assert "one.test" not in shares.room.answering, "it was slow"
        monkeypatch.setattr("time.monotonic", lambda: 100 + SLOW_SECONDS)
    shares.age(99 + 2 * SLOW_SECONDS)
    assert shares.free == 9
    shares.age(100 + 2 * SLOW_SECONDS)
    assert shares.free == 10


def test_a_backlog_for_one_domain_leaves_room_for_what_the_account_writes_to_others():
    shares = sharing(90, "slow.test", "two.test", "three.test")
    begin(shares, 29, "slow.test", account=ALICE)
    assert not shares.room.full_pairs
    begin(shares, 1, "slow.test", account=ALICE)
    assert shares.room.full_pairs == {ALICE: {"slow.test"}}
    assert not shares.room.is_for_all
    assert not shares.room.full_owners
    begin(shares, 10, "two.test", account=ALICE)
    assert shares.room.full_pairs == {ALICE: {"slow.test", "two.test"}}
    begin(shares, 3, "three.test", account=ALICE)
    assert not shares.room.full_owners
    begin(shares, 1, "slow.test", account=BOB)
    assert BOB not in shares.room.full_pairs


def test_who_is_done_may_have_more():
    shares = sharing(10, "one.test")
    jobs = begin(shares, 7, "one.test", account=ALICE)
    assert shares.room.full_domains
    assert shares.room.full_owners
    for job in jobs:
        shares.end(job, has_answered=True)
    assert not shares.room.full_domains
    assert not shares.room.full_owners
    assert shares.free == 10


def test_mail_without_an_account_is_shared_by_domain_only():
    shares = Shares(most=10)
    begin(shares, 6, "one.test")
    assert not shares.room.full_owners


def test_nothing_is_free_while_memory_is_full():
    shares = Shares(most=10)
    job = job_for("one.test", content=bytes(MOST_BYTES))
    shares.begin(job, 0)
    assert shares.free == 0
    shares.end(job, has_answered=True)
    assert shares.free == 10
