"""The minutes of an upgrade: the database is new already, some processes are not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db.migrations.loader import MigrationLoader

from accounts.models import AuditEntry
from delivery.models import Attempt, DomainEvidence, OutboundMessage, Recipient, Transport
from delivery.policy.transport import Kind
from mailweb.webmail.models import Draft

if TYPE_CHECKING:
    from datetime import datetime

    from django.apps.registry import Apps

    from accounts.models import User

FIRST = {"accounts": "0001_initial", "delivery": "0001_initial", "webmail": "0001_initial"}


def _as_of(**versions: str) -> Apps:
    """Return the models as a process knows them that was started with these migrations."""
    targets = list({**FIRST, **versions}.items())
    return MigrationLoader(None).project_state(targets).apps


@pytest.fixture(scope="module")
def of_the_first_version() -> Apps:
    """The models of the first version of all."""
    return _as_of()


def _values(row: Any, *names: str) -> list[Any]:
    return [getattr(row, name) for name in names]


def test_an_old_worker_writes_the_ledger(of_the_first_version: Apps, alice: User, now: datetime):
    old = of_the_first_version.get_model("delivery", "Attempt")
    pk = old.objects.create(owner_id=alice.pk, at=now, domain="b.test", outcome="delivered").pk
    row = Attempt.objects.get(pk=pk)
    names = ("signed_by", "transport", "transport_kind", "mechanism")
    assert _values(row, *names) == [""] * 4


def test_an_old_worker_writes_evidence(of_the_first_version: Apps, alice: User):
    old = of_the_first_version.get_model("delivery", "DomainEvidence")
    pk = old.objects.create(owner_id=alice.pk, domain="b.test").pk
    assert DomainEvidence.objects.get(pk=pk).latest == []


def test_an_old_process_takes_mail(of_the_first_version: Apps, alice: User, now: datetime):
    old = of_the_first_version
    message = old.get_model("delivery", "OutboundMessage").objects.create(
        owner_id=alice.pk, size_bytes=1, expires_at=now
    )
    copy = old.get_model("delivery", "Recipient").objects.create(
        message=message, address="c@b.test", domain="b.test", next_attempt_at=now
    )
    row = Recipient.objects.get(pk=copy.pk)
    words = ("promised", "if_worse", "notify", "orcpt")
    assert _values(row, *words, "asks_sender", "passes_holds") == [""] * 4 + [False] * 2
    assert _values(OutboundMessage.objects.get(pk=message.pk), "ret", "envid") == [""] * 2


def test_an_old_page_saves_drafts_and_the_log(of_the_first_version: Apps, alice: User):
    old = of_the_first_version
    draft = old.get_model("webmail", "Draft").objects.create(user_id=alice.pk, sender="a@b.test")
    entry = old.get_model("accounts", "AuditEntry").objects.create(action="tested")
    assert Draft.objects.get(pk=draft.pk).tells_delivery is False
    assert _values(AuditEntry.objects.get(pk=entry.pk), "by", "reason") == ["", ""]


@pytest.mark.django_db
def test_an_old_page_makes_a_transport():
    old = _as_of(delivery="0013_webhooks").get_model("delivery", "Transport")
    pk = old.objects.create(name="smarthost", kind=Kind.RELAY).pk
    assert Transport.objects.get(pk=pk).proven == {}


def test_new_rows_have_the_values_of_the_program_before_they_are_stored():
    # Not an expression that only the database could work out.
    assert _values(Recipient(), "promised", "notify", "asks_sender") == ["", "", False]
    assert _values(Attempt(), "signed_by", "transport_kind") == ["", ""]
    assert DomainEvidence().latest == []
    assert Transport().proven == {}
