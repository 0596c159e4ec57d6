"""What logged in at a relay once is remembered: nobody in between can talk us into less."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from delivery import transport_news, transports
from delivery.agent.job import AttemptReport, HostAttempt, Job, JobRecipient
from delivery.models import Transport
from delivery.policy.facts import DomainFacts, SessionEvidence, Starttls, TlsEvidence
from delivery.policy.modes import Order
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.record import Mechanism
from tests.delivery.routing import OPERATOR, new_transport

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOST = "smtp.example.org"


@pytest.fixture
def row() -> Transport:
    return new_transport(
        name="smarthost", kind="submission", hosts=[HOST], username="us", secret="hunter2"
    )


def log_in(row: Transport, mechanism: str, host: str = HOST) -> Transport:
    """Let a delivery report a log-in; return what is known then."""
    taken = Outcome(result=Result.DELIVERED, scope=Scope.RECIPIENT)
    attempt = HostAttempt(
        host=host,
        address="192.0.2.1",
        started_at=NOW,
        duration_ms=1,
        evidence=SessionEvidence(host=host, tls=TlsEvidence(starttls=Starttls.OFFERED)),
        requiretls_used=False,
        stopped_by=Mechanism.NONE,
        outcome=taken,
        results=(),
        mechanism=mechanism,
    )
    job = Job(
        mail_from="alice@mailweb.test",
        domain="a.test",
        recipients=(JobRecipient(key=1, address="bob@a.test"),),
        order=Order(),
        content=b"",
        transport=transports.value_of(row, now=NOW),
    )
    facts = DomainFacts(domain="a.test", looked_up_at=NOW)
    report = AttemptReport(job=job, facts=facts, attempts=(attempt,), results=())
    transport_news.learn([report], now=NOW)
    return Transport.objects.get(pk=row.pk)


def proven(row: Transport) -> dict[str, str]:
    credentials = transports.value_of(row, now=NOW).credentials
    assert credentials is not None
    return dict(credentials.proven)


def test_the_strongest_that_ever_logged_in_stays(row: Transport):
    assert proven(row) == {}
    for used in ("CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "PLAIN", ""):
        row = log_in(row, used)
    assert proven(row) == {HOST: "SCRAM-SHA-256"}


def test_each_host_has_its_own(row: Transport):
    row = log_in(row, "SCRAM-SHA-256-PLUS")
    row = log_in(row, "PLAIN", "other.example.org")
    assert proven(row) == {HOST: "SCRAM-SHA-256-PLUS", "other.example.org": "PLAIN"}


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"hosts": ["new.example.org"]}, {}),
        ({"port": 2587}, {}),
        ({"username": "them"}, {}),
        ({"mechanisms": ["PLAIN"]}, {HOST: "SCRAM-SHA-256"}),
        ({"text": "", "sources": ["192.0.2.9"]}, {HOST: "SCRAM-SHA-256"}),
    ],
    ids="-".join,
)
def test_another_place_or_name_begins_anew(row: Transport, changes, kept: dict[str, str]):
    row = log_in(row, "SCRAM-SHA-256")
    transports.change(row, changes, secret="hunter2", actor=OPERATOR, now=NOW)
    assert proven(Transport.objects.get(pk=row.pk)) == kept


def test_old_news_about_settings_that_have_changed_are_not_kept(row: Transport):
    before = Transport.objects.get(pk=row.pk)
    hosts = {"hosts": ["new.example.org"]}
    transports.change(row, hosts, secret="hunter2", actor=OPERATOR, now=NOW)
    assert proven(log_in(before, "SCRAM-SHA-256")) == {}
