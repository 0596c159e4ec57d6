"""What is counted of deliveries, through the lab and the drain."""

from __future__ import annotations

import pytest
from django.utils import timezone

from delivery import metrics, notices, suppressions
from delivery.counting import Meter, submission
from delivery.metrics import Door
from delivery.models import State
from delivery.policy.modes import Mode
from mailweb.lib.errors import UserError
from mailweb.webmail.handing_over import hand_over
from tests.delivery.factories import queued

pytestmark = pytest.mark.django_db


@pytest.fixture
def counted():
    """Return a function that says by how much a series has grown since the test began."""
    before: dict[tuple[str, tuple[str, ...]], float] = {}

    def value(family, words):
        child = family.child(words)
        return child._sum.get() if family.kind == "histogram" else child._value.get()

    for family in vars(metrics).values():
        if isinstance(family, metrics.Count):
            family.begin()
            before.update({(family, words): value(family, words) for words in family._children})
    return lambda family, *words: value(family, words) - before[family, words]


def test_delivery_is_counted_by_what_its_session_showed(alice, lab, drain, counted):
    queued("friend@dane.test", owner=alice, now=timezone.now())
    drain()
    assert counted(metrics.SETTLED, "delivered") == 1
    assert counted(metrics.ATTEMPTS, "delivered", "recipient") == 1
    assert counted(metrics.TLS_SESSIONS, "dane", "success") == 1
    assert counted(metrics.TLS_VERIFIED, "dane-ee") == 1
    assert counted(metrics.TLS_VERSIONS, "TLSv1.3") == 1
    assert counted(metrics.SESSIONS_BEGUN, "opened") == 1
    assert counted(metrics.REPLIES, "mail", "2xx") == 1
    assert counted(metrics.REPLIES, "greeting", "2xx") == 1


@pytest.mark.parametrize(
    ("domain", "policy", "result"),
    [
        ("plain.test", "none", "starttls-not-supported"),
        ("dane-mismatch.test", "dane", "validation-failure"),
        ("tlsa-servfail.test", "dane", "tlsa-invalid"),
        ("sts.test", "mta-sts", "success"),
        ("sts-expired.test", "mta-sts", "certificate-expired"),
        ("sts-testing.test", "mta-sts-testing", "certificate-not-trusted"),
    ],
)
def test_tls_is_counted_by_policy_and_result_type(
    domain, policy, result, alice, lab, drain, counted
):
    queued(f"friend@{domain}", owner=alice, now=timezone.now())
    drain()
    grown = {
        (one, two): counted(metrics.TLS_SESSIONS, one, two)
        for one in metrics.TLS_SESSIONS.labels["policy"]
        for two in metrics.TLS_SESSIONS.labels["result"]
    }
    assert [words for words, number in grown.items() if number] == [(policy, result)]


@pytest.mark.parametrize(
    ("domain", "reason"),
    [
        ("requiretls-nopolicy.test", "no-policy"),
        ("dane.test", "not-offered"),
        ("dane-mismatch.test", "not-verified"),
        ("tlsa-servfail.test", "dane-unanswered"),
    ],
)
def test_refusals_of_requiretls_are_counted_by_reason(domain, reason, alice, lab, drain, counted):
    queued(f"friend@{domain}", owner=alice, now=timezone.now(), mode=Mode.REQUIRETLS)
    drain()
    reasons = metrics.REQUIRETLS_REFUSED.labels["reason"]
    assert [one for one in reasons if counted(metrics.REQUIRETLS_REFUSED, one)] == [reason]


@pytest.mark.parametrize(
    ("domain", "ignored"),
    [
        ("dane-mismatch.test", ["dane-certificate"]),
        ("tlsa-servfail.test", ["dane-unanswered"]),
        ("sts-mismatch.test", ["mta-sts-host"]),
        ("sts-expired.test", ["mta-sts-certificate"]),
        ("sts.test", []),
        ("plain.test", []),
    ],
)
def test_what_tls_required_no_set_aside_is_counted(domain, ignored, alice, lab, drain, counted):
    queued(f"friend@{domain}", owner=alice, now=timezone.now(), mode=Mode.OPTIONAL)
    drain()
    assert counted(metrics.SETTLED, "delivered") == 1
    words = metrics.TLS_REQUIRED_OVERRIDES.labels["ignored"]
    assert [one for one in words if counted(metrics.TLS_REQUIRED_OVERRIDES, one)] == ignored


def test_policies_and_questions_are_counted(alice, lab, drain, counted):
    queued("friend@sts.test", owner=alice, now=timezone.now())
    before = metrics.DNS_SECONDS.child(("MX", "found"))._sum.get()
    drain()
    assert counted(metrics.STS_FETCHES, "success") == 1
    assert metrics.DNS_SECONDS.child(("MX", "found"))._sum.get() > before


def test_ended_drain_leaves_no_sessions_behind(alice, lab, drain):
    queued("friend@starttls.test", owner=alice, now=timezone.now())
    drain()
    assert [metrics.SESSIONS.child((one,))._value.get() for one in ("busy", "idle")] == [0, 0]


def test_submissions_are_counted_by_door_and_result(alice, counted):
    with submission(Door.API):
        pass
    for error in (UserError("No."), ValueError("A bug.")):
        with pytest.raises(type(error)), submission(Door.API):
            raise error
    grown = {one: counted(metrics.SUBMISSIONS, "api", one) for one in metrics.Submission}
    assert grown == {"accepted": 1, "refused": 1, "broken": 1, "limited": 0}


def test_message_from_a_file_comes_in_by_its_door(alice, bob, counted, now):
    message = {"sender": "alice@mailweb.test", "addresses": ["bob@mailweb.test"]}
    hand_over(**message, data=b"Subject: x\r\n\r\nx\r\n", mode=None, release_at=None, now=now)
    assert counted(metrics.SUBMISSIONS, "command", "accepted") == 1


def test_failure_that_is_told_is_counted(alice, counted, now):
    message = queued("friend@nxdomain.test", owner=alice, now=now)
    message.recipients.update(
        state=State.FAILED, next_attempt_at=None, settled_at=now, notice_due=True
    )
    notices.tell(now=now)
    assert counted(metrics.NOTICES, "failed") == 1


def test_suppressed_addresses_are_counted(alice, counted, now):
    suppressions.add(owner=alice, address="gone@elsewhere.test", note="", now=now)
    assert suppressions.lift(owner_id=alice.pk, address="gone@elsewhere.test", now=now)
    assert not suppressions.lift(owner_id=alice.pk, address="gone@elsewhere.test", now=now)
    assert [counted(metrics.SUPPRESSIONS, one) for one in ("added", "lifted")] == [1, 1]


def test_meter_that_hears_nothing_adds_nothing():
    Meter().flush()
