"""Policies of correspondents' domains are held before the next message, against the lab."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from delivery import dispatch
from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from delivery.models import DomainLookup, PublishedPolicy, Recipient, StsPolicy
from mailweb.webmail import looking_ahead, tasks
from mailweb.webmail.models import Correspondent
from tests.delivery.factories import queued
from tests.labs import running_lab

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def lab():
    with running_lab("sts", "sts-expired", "pkix") as lab:
        yield lab


@pytest.fixture
def net(lab, settings):
    """Let this installation live in the lab's internet."""
    for name in ("SMTP_PORT", "MTA_STS_PORT"):
        setattr(settings, name, int(lab.environment[name]))
    settings.TLS_CA_FILE = lab.environment["TLS_CA_FILE"]
    settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]
    return settings


def knows(user, *addresses, ago=timedelta(0)):
    for number, address in enumerate(addresses):
        at = timezone.now() - ago - timedelta(seconds=number)
        Correspondent.objects.create(user=user, address=address, last_at=at)


def due():
    return looking_ahead.domains_due(now=timezone.now())


def send(owner, address):
    queued(address, owner=owner, now=timezone.now())
    config = DeliveryConfig.from_settings()
    config = replace(config, agent=replace(config.agent, time_scale=0.1))
    dispatch.drain(config=config, clock=SystemClock(), once=True)
    return Recipient.objects.get(address=address)


def test_policies_of_the_address_book_are_fetched_and_noted(alice, net):
    knows(alice, "friend@sts.test", "friend@pkix.test")
    tasks.look_ahead()
    assert list(StsPolicy.objects.values_list("domain", "mode")) == [("sts.test", "enforce")]
    assert PublishedPolicy.objects.get().domain == "sts.test"
    assert DomainLookup.objects.count() == 2
    assert due() == []


def test_first_message_is_protected_though_the_policy_is_kept_from_us_then(alice, net):
    # What sts-expired.test shows breaks its policy; whoever stands there would love it ignored.
    knows(alice, "friend@sts-expired.test")
    tasks.look_ahead()
    net.MTA_STS_PORT = 1
    copy = send(alice, "friend@sts-expired.test")
    assert (copy.state, copy.reason) == ("waiting", "certificate-expired")


def test_without_looking_ahead_the_first_message_would_not_be_protected(alice, net):
    net.MTA_STS_PORT = 1
    assert send(alice, "friend@sts-expired.test").state == "delivered"


def test_domains_are_asked_about_again_after_a_week(alice, net):
    knows(alice, "friend@sts.test")
    tasks.look_ahead()
    DomainLookup.objects.update(looked_up_at=timezone.now() - timedelta(days=6))
    assert due() == []
    DomainLookup.objects.update(looked_up_at=timezone.now() - timedelta(days=8))
    assert due() == ["sts.test"]


def test_few_domains_at_a_time_and_recent_people_first(alice):
    knows(alice, *(f"friend@old{n}.test" for n in range(30)), ago=timedelta(days=9))
    knows(alice, "friend@new.test", "other@new.test")
    found = due()
    assert (len(found), found[0], len(set(found))) == (20, "new.test", 20)


def test_nobody_is_looked_up_for_our_own_domains_or_for_who_has_left(alice, bob):
    knows(alice, "bob@mailweb.test")
    knows(bob, "friend@sts.test")
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert due() == []


def test_addresses_in_other_scripts_and_damaged_ones_do_no_harm(alice):
    knows(alice, "friend@bücher.test", "no address", "x@", "friend@xn--a.test")
    assert due()[:1] == ["xn--bcher-kva.test"]
