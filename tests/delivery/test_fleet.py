"""What workers tell each other through the database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync

from delivery import fleet as fleet_module
from delivery.agent.health import PATIENCE, Trouble
from delivery.fleet import DEAD_SECONDS, PROBE_FOR, Fleet
from delivery.models import DestinationHealth, HealthState, Worker
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.django_db
HOST, ADDRESS = "mx.example.test", "192.0.2.1"


@pytest.fixture
def clock(now):
    return FakeClock(now)


@pytest.fixture
def seconds(monkeypatch):
    """The monotonic clock, set by hand."""
    passed = [1000.0]
    monkeypatch.setattr(fleet_module.time, "monotonic", lambda: passed[0])
    return passed


def beat(*workers: Fleet, clock: FakeClock) -> None:
    for one in workers:
        said = one.changes()
        one.apply(said, one.exchange(said, clock))


def trouble(worker: Fleet, clock: FakeClock, times: int = PATIENCE) -> None:
    for _ in range(times):
        host = worker.health.of(HOST, 20)
        host.was_in_trouble(ADDRESS, Trouble.SILENT, clock.now(), "451 4.4.1 Nobody answers.")


def probes(worker: Fleet) -> bool:
    return async_to_sync(worker.may_probe)(HOST, ADDRESS)


def test_a_worker_that_is_alone_has_all_sessions(clock):
    worker = Fleet()
    beat(worker, clock=clock)
    assert worker.share(HOST, 20) == 20


def test_workers_divide_the_sessions_of_a_host_once_they_have_seen_each_other(clock):
    old, new = Fleet(), Fleet()
    beat(old, old, clock=clock)
    beat(new, clock=clock)
    assert (old.share(HOST, 20), new.share(HOST, 20)) == (20, 1)
    beat(old, new, old, new, clock=clock)
    assert old.share(HOST, 20) + new.share(HOST, 20) == 20
    assert old.share(HOST, 21) + new.share(HOST, 21) == 21
    assert {old.share(HOST, 1), new.share(HOST, 1)} == {0, 1}


def test_a_worker_that_has_nothing_to_do_leaves_its_share_to_the_others(clock):
    one, other = Fleet(), Fleet()
    beat(one, other, one, other, one, other, clock=clock)
    assert one.share(HOST, 20) == 10
    other.leave()
    beat(one, clock=clock)
    assert one.share(HOST, 20) == 20


def test_a_worker_whose_beats_stop_is_counted_no_longer_and_comes_back_with_the_next(
    clock, seconds
):
    one, other = Fleet(), Fleet()
    beat(one, other, one, other, one, other, one, clock=clock)
    seconds[0] += DEAD_SECONDS + 1
    beat(one, clock=clock)
    assert one.share(HOST, 20) == 20
    beat(one, clock=clock)
    assert not Worker.objects.get(uuid=other.uuid).is_at_work
    beat(other, one, clock=clock)
    assert one.share(HOST, 20) == 10


def test_clocks_that_differ_do_not_make_a_worker_dead(clock):
    one, other = Fleet(), Fleet()
    ahead = FakeClock(clock.now() + timedelta(hours=3))
    for _ in range(3):
        beat(one, clock=clock)
        beat(other, clock=ahead)
    assert one.share(HOST, 20) == other.share(HOST, 20) == 10


def test_a_host_that_one_worker_leaves_alone_is_left_alone_by_all(clock):
    one, other = Fleet(), Fleet()
    trouble(one, clock)
    beat(one, other, clock=clock)
    row = DestinationHealth.objects.get()
    assert (row.host, row.address, row.state) == (HOST, ADDRESS, HealthState.RESTING)
    assert row.last_reply == "451 4.4.1 Nobody answers."
    breaker = other.health.of(HOST, 20).breaker(ADDRESS)
    assert breaker is not None
    assert breaker.is_open(clock.now())
    assert (breaker.failures, breaker.until) == (PATIENCE, row.next_probe_at)


def test_a_worker_that_starts_knows_which_hosts_are_left_alone(clock):
    one = Fleet()
    trouble(one, clock)
    beat(one, clock=clock)
    one.leave()
    fresh = Fleet()
    beat(fresh, clock=clock)
    assert fresh.health.of(HOST, 20).breaker(ADDRESS) is not None


def test_less_trouble_than_opens_a_breaker_is_not_written_down(clock, django_assert_num_queries):
    worker = Fleet()
    beat(worker, clock=clock)
    trouble(worker, clock, times=PATIENCE - 1)
    with django_assert_num_queries(2):
        beat(worker, clock=clock)
    assert not DestinationHealth.objects.exists()


def test_exactly_one_worker_probes(clock):
    workers = [Fleet(), Fleet(), Fleet()]
    trouble(workers[0], clock)
    beat(*workers, clock=clock)
    assert not any(probes(one) for one in workers), "its time has not come"
    clock.advance(timedelta(minutes=1))
    assert [probes(one) for one in workers] == [True, False, False]
    assert DestinationHealth.objects.get().state == HealthState.PROBING
    clock.advance(PROBE_FOR + timedelta(seconds=1))
    assert probes(workers[1]), "the first was not heard of again"


def test_a_probe_that_goes_well_frees_the_host_for_all(clock):
    one, other = Fleet(), Fleet()
    trouble(one, clock)
    beat(one, other, clock=clock)
    clock.advance(timedelta(minutes=1))
    assert probes(other)
    other.health.of(HOST, 20).went_well(ADDRESS)
    beat(other, one, clock=clock)
    assert not DestinationHealth.objects.exists()
    assert one.health.of(HOST, 20).breaker(ADDRESS) is None


def test_a_probe_that_fails_makes_the_pause_of_all_longer(clock):
    one, other = Fleet(), Fleet()
    trouble(one, clock)
    beat(one, other, clock=clock)
    clock.advance(timedelta(minutes=1))
    assert probes(other)
    trouble(other, clock, times=1)
    beat(other, one, clock=clock)
    row = DestinationHealth.objects.get()
    assert (row.state, row.pauses, row.probing_until) == (HealthState.RESTING, 2, None)
    assert row.next_probe_at == clock.now() + timedelta(minutes=2)
    assert one.health.of(HOST, 20).breaker(ADDRESS).until == row.next_probe_at


def test_an_operator_who_deletes_the_row_frees_the_host(clock):
    worker = Fleet()
    trouble(worker, clock)
    beat(worker, clock=clock)
    DestinationHealth.objects.all().delete()
    for _ in range(fleet_module.ALONE_LEARNS_EVERY):
        beat(worker, clock=clock)
    assert worker.health.of(HOST, 20).breaker(ADDRESS) is None


def test_what_could_not_be_written_down_is_said_again(clock):
    worker = Fleet()
    trouble(worker, clock)
    worker.changes()  # and the database was away
    beat(worker, clock=clock)
    assert DestinationHealth.objects.count() == 1


def test_rows_of_workers_that_are_long_gone_are_removed(clock):
    beat(Fleet(), clock=clock)
    clock.advance(timedelta(days=2))
    last = Fleet()
    beat(last, clock=clock)
    assert [one.uuid for one in Worker.objects.all()] == [last.uuid]
