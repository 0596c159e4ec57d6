"""How a drain is shared out: nobody's mail stands in the way of everybody's."""

from __future__ import annotations

from delivery.agent.job import Job, JobRecipient
from delivery.policy.modes import Mode, Order, SenderPolicy
from delivery.shares import MOST_BYTES, NOBODY, Shares

ALICE, BOB = 1, 2


def begin(
    shares: Shares, number: int, domain: str, *, account: int | None = None, content: bytes = b""
) -> list[Job]:
    job = Job(
        mail_from="",
        domain=domain,
        recipients=(JobRecipient(key=1, address=f"friend@{domain}"),),
        order=Order(mode=Mode.DEFAULT, pledge=None, sender=SenderPolicy()),
        content=content,
        account=account,
    )
    for _ in range(number):
        shares.begin(job)
    return [job] * number


def test_at_first_nobody_is_busy():
    assert Shares(most=100).busy == NOBODY


def test_an_account_alone_gets_half_and_the_next_one_half_of_the_rest():
    shares = Shares(most=100)
    begin(shares, 49, "one.test", account=ALICE)
    assert not shares.busy.owners
    begin(shares, 1, "one.test", account=ALICE)
    assert shares.busy.owners == {ALICE}
    begin(shares, 25, "two.test", account=BOB)
    assert shares.busy.owners == {ALICE, BOB}
    assert shares.free == 25


def test_a_domain_alone_gets_two_thirds():
    shares = Shares(most=90)
    begin(shares, 59, "one.test")
    assert not shares.busy.domains
    begin(shares, 1, "one.test")
    assert shares.busy.domains == {"one.test"}


def test_an_account_with_its_share_leaves_room_for_others_at_the_same_domain():
    shares = Shares(most=100)
    begin(shares, 50, "one.test", account=ALICE)
    assert shares.busy.owners == {ALICE}
    assert not shares.busy.domains


def test_one_claim_alone_does_not_take_what_belongs_to_others():
    shares = Shares(most=100)
    begin(shares, shares.next_claim, "one.test")
    assert shares.free == 50
    assert Shares(most=1).next_claim == 1


def test_an_account_that_writes_to_many_domains_is_passed_over_too():
    shares = Shares(most=10)
    for number in range(5):
        begin(shares, 1, f"d{number}.test", account=ALICE)
    assert shares.busy.owners == {ALICE}
    assert not shares.busy.domains
    begin(shares, 1, "other.test", account=BOB)
    assert BOB not in shares.busy.owners


def test_who_is_done_may_have_more():
    shares = Shares(most=10)
    jobs = begin(shares, 7, "one.test", account=ALICE)
    assert shares.busy.domains
    assert shares.busy.owners
    for job in jobs:
        shares.end(job)
    assert shares.busy == NOBODY
    assert shares.free == 10


def test_mail_without_an_account_is_shared_by_domain_only():
    shares = Shares(most=10)
    begin(shares, 6, "one.test")
    assert not shares.busy.owners


def test_nothing_is_free_while_memory_is_full():
    shares = Shares(most=10)
    (job,) = begin(shares, 1, "one.test", content=bytes(MOST_BYTES))
    assert shares.free == 0
    shares.end(job)
    assert shares.free == 10
