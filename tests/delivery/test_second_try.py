"""A copy that was tried under an outdated policy and then under the new one, in the ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery import claims, ledger
from delivery.agent.second_try import job_for_rest, joined
from delivery.models import Attempt, Recipient, RecipientAttempt
from delivery.policy.facts import StsFacts, StsMode
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.record import Mechanism
from tests.delivery.factories import ACCEPTED, claimed, held, queued, report

pytestmark = pytest.mark.django_db

MISMATCH = Outcome(result=Result.DEFERRED, scope=Scope.HOST, code=454, enhanced="4.7.5")


def under(policy_id, tried):
    sts = StsFacts(mode=StsMode.ENFORCE, policy_id=policy_id)
    return replace(tried, facts=replace(tried.facts, sts=sts))


def test_both_tries_are_kept_each_with_its_policy_and_the_second_decides(alice, now):
    queued("one@x.test", "two@x.test", owner=alice, now=now)
    claim = claimed(now)
    (job,) = claims.jobs_from(claim, claim.copies)
    first = under("1", report(job, now, outcome=MISMATCH, stopped_by=Mechanism.MTA_STS))
    second = under("2", report(job_for_rest(first), now, outcome=ACCEPTED))
    both = joined(first, second)
    assert [result.key for result in both.results] == [one.key for one in job.recipients]
    ledger.record(copies=held(claim), reports=[both], now=now, jitter=0.0)
    assert set(Recipient.objects.values_list("state", flat=True)) == {"delivered"}
    tried = Attempt.objects.order_by("id").values_list("mta_sts_id", "stopped_by", "outcome")
    assert list(tried) == [("1", "mta_sts", "deferred"), ("2", "", "delivered")]
    assert RecipientAttempt.objects.count() == 4
    last = Recipient.objects.values_list("last_attempt__mta_sts_id", flat=True)
    assert set(last) == {"2"}
