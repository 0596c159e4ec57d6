"""Policies in the database: kept, refreshed ahead of their end, forgotten when nobody asks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery import lookups, maintenance
from delivery.agent.clock import SystemClock
from delivery.agent.policy_fetch import StoredPolicy
from delivery.config import DeliveryConfig
from delivery.models import DomainLookup, StsPolicy
from delivery.policies import DatabasePolicyStore
from delivery.policy.facts import StsMode
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def look_up(domain):
    config, clock = DeliveryConfig.from_settings(), SystemClock()
    lookups.look_up(owner_id=0, domain=domain, config=config, clock=clock)


def refresh():
    return maintenance.refresh_policies(config=DeliveryConfig.from_settings(), clock=SystemClock())


def held(domain, *, age=2 * DAY, lasts=7 * DAY, asked=timedelta(0), **columns):
    """Keep a policy that was fetched `age` ago, for a domain that was asked about `asked` ago."""
    now = timezone.now()
    columns = {"mode": "enforce", "policy_id": "1", "mx": [f"mx.{domain}"]} | columns
    StsPolicy.objects.create(
        domain=domain, fetched_at=now - age, expires_at=now - age + lasts, **columns
    )
    DomainLookup.objects.create(
        domain=domain, started_at=now - asked, looked_up_at=now - asked, expires_at=now
    )


def age_of(domain):
    return timezone.now() - StsPolicy.objects.get(domain=domain).fetched_at


def test_a_policy_is_fetched_once_and_kept(drain):
    look_up("sts.test")
    policy = StsPolicy.objects.get(domain="sts.test")
    assert (policy.mode, policy.mx) == ("enforce", ["mx.sts.test"])
    assert policy.expires_at > timezone.now() + timedelta(hours=12)


async def test_policies_come_back_from_the_database_as_they_were_put(transactional_db):
    store, now = DatabasePolicyStore(), timezone.now()
    policy = StoredPolicy(
        domain="x.test",
        mode=StsMode.TESTING,
        fetched_at=now,
        expires_at=now + DAY,
        policy_id="7",
        mx=("*.x.test",),
    )
    await store.put(policy)
    assert await store.get("x.test") == policy
    await store.drop("x.test")
    assert await store.get("x.test") is None


def test_what_is_a_day_old_is_fetched_again_though_its_id_is_the_same(drain):
    look_up("sts.test")
    StsPolicy.objects.update(fetched_at=timezone.now() - DAY)
    before = StsPolicy.objects.get().policy_id
    assert refresh() == 1
    assert StsPolicy.objects.get().policy_id == before
    assert age_of("sts.test") < timedelta(hours=1)


def test_what_was_fetched_today_is_left_alone(drain):
    held("sts.test", age=timedelta(hours=23))
    assert refresh() == 0


def test_what_expires_within_hours_is_fetched_again_sooner(drain):
    held("sts.test", age=timedelta(hours=5), lasts=timedelta(hours=6))
    assert refresh() == 1
    assert age_of("sts.test") < timedelta(hours=1)


def test_each_hour_takes_a_share_and_what_expires_first(drain, monkeypatch):
    monkeypatch.setattr(maintenance, "FEWEST_REFRESHED", 1)
    held("sts.test", lasts=7 * DAY)
    held("requiretls-sts.test", lasts=3 * DAY)
    assert refresh() == 1
    assert age_of("requiretls-sts.test") < timedelta(hours=1)
    assert age_of("sts.test") > DAY


def test_hosts_that_failed_before_have_the_last_turn(drain, monkeypatch):
    monkeypatch.setattr(maintenance, "FEWEST_REFRESHED", 1)
    held("sts-unreachable.test", lasts=3 * DAY, retry_at=timezone.now() - DAY)
    held("sts.test", lasts=7 * DAY)
    refresh()
    assert age_of("sts.test") < timedelta(hours=1)


def test_a_host_in_trouble_does_not_keep_the_others_from_being_refreshed(drain):
    held("sts-unreachable.test", lasts=3 * DAY)
    held("sts.test")
    assert refresh() == 2
    assert age_of("sts.test") < timedelta(hours=1)
    failed = StsPolicy.objects.get(domain="sts-unreachable.test")
    assert (failed.mode, failed.reason) == ("enforce", "sts-policy-fetch-error")
    assert refresh() == 0, "it pauses"


def test_a_policy_of_mode_none_is_kept_as_long_as_it_is_announced(drain):
    held("sts-none.test", mode="none", mx=[])
    held("plain.test", mode="none", mx=[])
    refresh()
    assert list(StsPolicy.objects.values_list("domain", flat=True)) == ["sts-none.test"]


def test_policies_of_domains_nobody_asks_about_are_neither_refreshed_nor_kept(drain):
    held("sts.test", asked=181 * DAY)
    held("requiretls-sts.test", asked=179 * DAY)
    assert refresh() == 1
    assert list(StsPolicy.objects.values_list("domain", flat=True)) == ["requiretls-sts.test"]


def test_a_refresh_does_not_count_as_use(drain):
    held("sts.test", asked=100 * DAY)
    refresh()
    assert DomainLookup.objects.get().looked_up_at < timezone.now() - 99 * DAY


def test_a_new_policy_is_not_forgotten_before_its_first_look_up_is_written_down(db):
    now = timezone.now()
    StsPolicy.objects.create(
        domain="x.test", mode="enforce", fetched_at=now, expires_at=now + 7 * DAY
    )
    maintenance.forget_policies(now=now + timedelta(hours=1))
    assert StsPolicy.objects.exists()
    maintenance.forget_policies(now=now + 2 * DAY)
    assert not StsPolicy.objects.exists()


def test_pauses_that_are_over_leave_no_rows_behind(db):
    held("x.test", mode="error", age=2 * DAY, lasts=timedelta(minutes=5))
    maintenance.forget_policies(now=timezone.now())
    assert not StsPolicy.objects.exists()


def test_expired_policies_are_not_refreshed(db, settings):
    held("x.test", age=8 * DAY, lasts=7 * DAY)
    clock = FakeClock(timezone.now())
    assert maintenance.refresh_policies(config=DeliveryConfig.from_settings(), clock=clock) == 0
