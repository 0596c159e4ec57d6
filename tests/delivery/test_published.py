"""The history of what domains published, written by look-ups and fetches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from delivery import published, selectors, stored
from delivery.agent.policy_fetch import StoredPolicy
from delivery.models import DomainEvidence, PublishedPolicy
from delivery.policies import _put
from delivery.policy.facts import (
    DnsFailure,
    Dnssec,
    DomainFacts,
    HostFacts,
    Part,
    StsFacts,
    StsMode,
    TlsaRecord,
    TlsaState,
)
from delivery.policy.published import PolicyKind, PublishedMode
from tests.delivery.factories import queued

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def record(first_byte=0, usage=3):
    return TlsaRecord(
        usage=usage, selector=1, matching_type=1, data=bytes([first_byte]) + bytes(31)
    )


def host(name="mx.d.test", *records, state=TlsaState.USABLE, **more):
    more = {"preference": 10, "dnssec": Dnssec.SECURE} | more
    return HostFacts(
        name=name,
        tlsa=records or ((record(),) if state is TlsaState.USABLE else ()),
        tlsa_state=state,
        **more,
    )


def seen(at, *hosts, **more):
    """Keep what a look-up found."""
    more = {"dnssec": Dnssec.SECURE} | more
    facts = DomainFacts(domain="d.test", looked_up_at=at, hosts=hosts, **more)
    stored.keep_facts([facts], now=at)


def policy(at, mode=StsMode.ENFORCE, text="version: STSv1\nmode: enforce", **more):
    """Keep what a fetch found."""
    _put(
        StoredPolicy(
            domain="d.test",
            mode=mode,
            fetched_at=at,
            expires_at=at + 7 * DAY,
            policy_id="1",
            text=text,
            **more,
        )
    )


def rows(**wanted):
    found = PublishedPolicy.objects.filter(**wanted).order_by("first_seen_at", "host")
    return [(one.mode, one.first_seen_at, one.last_seen_at, one.gone_at) for one in found]


def test_records_are_noted_once_however_often_they_are_seen():
    for hours in range(3):
        seen(NOW + hours * HOUR, host())
    assert rows() == [("usable", NOW, NOW, None)]
    assert PublishedPolicy.objects.get().content == str(record())


def test_the_order_of_records_is_no_change():
    seen(NOW, host("mx.d.test", record(1), record(2)))
    seen(NOW + HOUR, host("mx.d.test", record(2), record(1)))
    assert PublishedPolicy.objects.count() == 1


def test_new_records_end_the_old_ones_at_their_last_look_up():
    seen(NOW, host())
    seen(NOW + HOUR, host())
    seen(NOW + DAY, host("mx.d.test", record(9)))
    assert rows() == [
        ("usable", NOW, NOW + HOUR, NOW + DAY),
        ("usable", NOW + DAY, NOW + DAY, None),
    ]


def test_records_that_come_back_are_a_row_of_their_own():
    for hours, state in enumerate([TlsaState.USABLE, TlsaState.ABSENT, TlsaState.USABLE]):
        seen(NOW + hours * HOUR, host(state=state))
    assert [gone for *_, gone in rows()] == [NOW + HOUR, None]


@pytest.mark.parametrize(
    ("hosts", "more"),
    [
        pytest.param([host(state=TlsaState.ERROR)], {}, id="no answer about TLSA"),
        pytest.param(
            [host(state=TlsaState.UNCHECKED, dnssec=Dnssec.UNCHECKED)],
            {"dnssec": Dnssec.UNCHECKED},
            id="a resolver that checks nothing",
        ),
        pytest.param(
            [host(state=TlsaState.UNCHECKED, failure=DnsFailure.TIMEOUT)], {}, id="no address now"
        ),
        pytest.param([], {"failure": DnsFailure.SERVFAIL}, id="no answer about MX"),
        pytest.param([], {"parts": frozenset({Part.MX})}, id="a look-up that still runs"),
    ],
)
def test_a_look_up_that_learns_nothing_ends_nothing(hosts, more):
    seen(NOW, host())
    seen(NOW + HOUR, *hosts, **more)
    assert rows() == [("usable", NOW, NOW, None)]


@pytest.mark.parametrize(
    ("hosts", "more"),
    [
        pytest.param([host(state=TlsaState.ABSENT)], {}, id="securely denied"),
        pytest.param(
            [host(state=TlsaState.UNCHECKED, dnssec=Dnssec.INSECURE)], {}, id="addresses unsigned"
        ),
        pytest.param(
            [host(state=TlsaState.UNCHECKED)], {"dnssec": Dnssec.INSECURE}, id="MX unsigned"
        ),
        pytest.param([host("other.d.test", state=TlsaState.ABSENT)], {}, id="another host"),
    ],
)
def test_dane_that_is_lost_is_noted(hosts, more):
    seen(NOW, host())
    seen(NOW + HOUR, *hosts, **more)
    assert rows() == [("usable", NOW, NOW, NOW + HOUR)]


def test_records_of_a_kind_that_mail_cannot_use_are_told_apart():
    seen(NOW, host("mx.d.test", record(usage=1), state=TlsaState.UNUSABLE))
    assert rows() == [("unusable", NOW, NOW, None)]


def test_a_fetched_policy_is_noted_and_confirmed_by_the_next_fetch():
    policy(NOW)
    policy(NOW + DAY)
    assert rows() == [("enforce", NOW, NOW + DAY, None)]


def test_a_policy_with_another_text_takes_the_place_of_the_first():
    policy(NOW)
    policy(NOW + DAY, StsMode.TESTING, "version: STSv1\nmode: testing")
    assert rows() == [("enforce", NOW, NOW, NOW + DAY), ("testing", NOW + DAY, NOW + DAY, None)]


def test_a_failed_fetch_changes_nothing_in_the_history():
    policy(NOW)
    policy(NOW, retry_at=NOW + DAY)
    policy(NOW + 9 * DAY, StsMode.ERROR, "")
    assert rows() == [("enforce", NOW, NOW, None)]


def test_a_policy_that_is_gone_ends_with_the_look_up_that_finds_none():
    policy(NOW)
    seen(NOW + HOUR, sts=StsFacts(mode=StsMode.ENFORCE))
    seen(NOW + DAY)
    assert rows() == [("enforce", NOW, NOW + HOUR, NOW + DAY)]


def test_an_unknown_answer_about_the_policy_ends_nothing():
    policy(NOW)
    seen(NOW + DAY, sts=StsFacts(mode=StsMode.ERROR))
    assert rows() == [("enforce", NOW, NOW, None)]


def test_two_workers_that_see_the_same_change_note_it_once():
    facts = DomainFacts(
        domain="d.test", looked_up_at=NOW, dnssec=Dnssec.SECURE, hosts=(host(), host("b.d.test"))
    )
    published.note_facts([facts], now=NOW)
    # What the second one reads is from before the first one wrote.
    published._begin(
        {("d.test", PolicyKind.TLSA, "mx.d.test"): (PublishedMode.USABLE, "x")},
        now=NOW,
    )
    assert len(rows(host="mx.d.test")) == len(rows(host="b.d.test")) == 1


def test_a_batch_in_which_nothing_changed_costs_one_query_more(django_assert_num_queries):
    facts = [
        DomainFacts(domain=f"d{n}.test", looked_up_at=NOW, dnssec=Dnssec.SECURE, hosts=(host(),))
        for n in range(50)
    ]
    stored.keep_facts(facts, now=NOW)
    with django_assert_num_queries(2):  # what is published, the look-ups
        stored.keep_facts(facts, now=NOW + HOUR)


def test_mail_and_look_ups_write_the_history_by_themselves(alice, drain):
    queued("friend@sts.test", owner=alice, now=timezone.now())
    queued("friend@dane.test", owner=alice, now=timezone.now())
    drain()
    kinds = {(one.domain, one.kind, one.host, one.mode) for one in PublishedPolicy.objects.all()}
    assert kinds == {
        ("sts.test", "mta-sts", "", "enforce"),
        ("dane.test", "tlsa", "mx.dane.test", "usable"),
    }
    assert PublishedPolicy.objects.get(domain="sts.test").content.startswith("version: STSv1")


# Protection that was given up


def lose_dane(at):
    seen(at - 10 * DAY, host())
    seen(at, host(state=TlsaState.ABSENT))


def weakened(alice):
    DomainEvidence.objects.get_or_create(owner=alice, domain="d.test")
    condition = selectors.weakened_domains()
    return list(DomainEvidence.objects.filter(condition).values_list("domain", flat=True))


def test_dane_that_was_given_up_lately_is_told(alice):
    now = timezone.now()
    lose_dane(now)
    assert weakened(alice) == ["d.test"]
    lost = selectors.lost_policies(["d.test", "other.test"])
    assert (list(lost), lost["d.test"].kind, lost["d.test"].gone_at) == (["d.test"], "tlsa", now)


def test_what_was_given_up_long_ago_is_history(alice):
    lose_dane(timezone.now() - 91 * DAY)
    assert weakened(alice) == []
    assert selectors.lost_policies(["d.test"]) == {}


def test_what_came_back_is_not_lost(alice):
    now = timezone.now()
    lose_dane(now - DAY)
    seen(now, host())
    assert weakened(alice) == []


def test_replaced_records_are_not_lost_dane(alice):
    now = timezone.now()
    seen(now - DAY, host())
    seen(now, host("mx.d.test", record(9)))
    assert weakened(alice) == []


@pytest.mark.parametrize("mode", [StsMode.TESTING, StsMode.NONE])
def test_a_policy_that_is_enforced_no_more_is_lost(alice, mode):
    now = timezone.now()
    policy(now - DAY)
    assert weakened(alice) == []
    policy(now, mode, f"version: STSv1\nmode: {mode}")
    assert weakened(alice) == ["d.test"]
    assert selectors.lost_policies(["d.test"])["d.test"].kind == "mta-sts"


def test_testing_that_ends_is_no_loss(alice):
    now = timezone.now()
    policy(now - DAY, StsMode.TESTING, "version: STSv1\nmode: testing")
    seen(now)
    assert weakened(alice) == []
