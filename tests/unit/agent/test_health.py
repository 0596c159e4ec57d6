from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from delivery.agent import health
from delivery.agent.health import Breaker, Health, HostHealth, Trouble

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def in_trouble(times: int, most: int = 20) -> HostHealth:
    host = HostHealth(most=most)
    for _ in range(times):
        host.was_in_trouble("127.0.0.1", Trouble.SILENT, NOW)
    return host


def breaker_of(host: HostHealth) -> Breaker:
    found = host.breaker("127.0.0.1")
    assert found is not None
    return found


# How many sessions


def test_a_new_host_starts_with_one_session_and_doubles_while_it_goes_well():
    host = HostHealth(most=20)
    rounds = [host.allowed]
    while host.allowed < 20:
        for _ in range(host.allowed):
            host.went_well("127.0.0.1")
        rounds.append(host.allowed)
    assert rounds == [1, 2, 4, 8, 16, 20]
    assert host.is_at_its_best


def test_a_limit_of_one_is_kept_from_the_start():
    assert HostHealth(most=1).allowed == 1


def test_trouble_halves_the_number_and_leaves_one():
    host = HostHealth(most=20)
    for _ in range(40):
        host.went_well("127.0.0.1")
    seen = []
    for _ in range(6):
        host.was_in_trouble("127.0.0.1", Trouble.BUSY, NOW)
        seen.append(host.allowed)
    assert seen == [10, 5, 2, 1, 1, 1]


def test_after_an_open_breaker_the_backlog_goes_over_one_session_first():
    host = in_trouble(health.PATIENCE)
    for _ in range(health.TO_PROVE):
        assert host.allowed == 1
        host.went_well("127.0.0.1")
    host.went_well("127.0.0.1")
    assert host.allowed == 2


# The breaker


def test_breaker_opens_at_the_fifth_failure_in_a_row():
    assert not breaker_of(in_trouble(4)).is_open(NOW)
    opened = breaker_of(in_trouble(5))
    assert opened.is_open(NOW)
    assert opened.until == NOW + MINUTE


def test_a_success_in_between_starts_the_count_again():
    host = in_trouble(4)
    host.went_well("127.0.0.1")
    host.was_in_trouble("127.0.0.1", Trouble.SILENT, NOW)
    assert not breaker_of(host).is_open(NOW)


def test_sessions_that_were_under_way_when_it_opened_do_not_lengthen_the_pause():
    assert breaker_of(in_trouble(20)).until == NOW + MINUTE


def test_once_the_pause_is_over_one_session_probes():
    breaker = breaker_of(in_trouble(5))
    later = NOW + MINUTE
    assert not breaker.admits(NOW)
    assert breaker.admits(later)
    assert not breaker.admits(later)
    breaker.is_probing = False
    assert breaker.admits(later)


def test_pauses_double_up_to_a_quarter_of_an_hour():
    host = HostHealth(most=20)
    now, pauses = NOW, []
    for _ in range(4 + 8):
        host.was_in_trouble("127.0.0.1", Trouble.SILENT, now)
        breaker = breaker_of(host)
        if breaker.until is not None:
            pauses.append((breaker.until - now) // MINUTE)
            now = breaker.until
    assert pauses == [1, 2, 4, 8, 15, 15, 15, 15]


def test_a_probe_that_goes_well_closes_the_breaker_and_forgets_the_pauses():
    host = in_trouble(5)
    host.went_well("127.0.0.1")
    assert host.breaker("127.0.0.1") is None


def test_one_dead_address_does_not_close_the_others():
    host = in_trouble(5)
    assert host.breaker("127.0.0.2") is None
    host.went_well("127.0.0.2")
    assert breaker_of(host).is_open(NOW)


# How much is remembered


@pytest.mark.parametrize("more", [0, 10])
def test_so_many_hosts_are_remembered_and_the_oldest_forgotten(
    monkeypatch: pytest.MonkeyPatch, more: int
):
    monkeypatch.setattr(health, "MOST_HOSTS", 5)
    book = Health()
    first = book.of("mx.test", 20)
    for number in range(4 + more):
        book.of(f"mx{number}.test", 20)
    assert (book.of("mx.test", 20) is first) == (more == 0)


def test_so_many_addresses_in_trouble_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "MOST_ADDRESSES", 3)
    host = HostHealth(most=20)
    for number in range(10):
        host.was_in_trouble(f"127.0.0.{number}", Trouble.SILENT, NOW)
    assert sum(host.breaker(f"127.0.0.{number}") is not None for number in range(10)) <= 3
