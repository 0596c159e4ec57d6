"""Rows added by the driver are the rows that the model would have saved."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import transaction

from delivery import bulk
from delivery.models import Attempt, Source
from delivery.policy.facts import Starttls

pytestmark = pytest.mark.django_db

AWKWARD = 'tab\there, line\nbreak, back\\slash, quote " and \\N, ünï'


def row(pk: int) -> dict[str, object]:
    return {
        "id": pk,
        "uuid": uuid4(),
        "owner_id": None,
        "message_id": None,
        "source": Source.DELIVERY,
        "at": datetime(2026, 11, 3, 12, 0, 0, 123456, tzinfo=UTC),
        "duration_ms": 12,
        "domain": "x.test",
        "mode": "default",
        "mx": "mx.x.test",
        "address": "2001:db8::1",
        "starttls": Starttls.OFFERED,
        "tls_version": "TLSv1.3",
        "cipher": "",
        "verified_by": ["dane-ee", AWKWARD],
        "certificate": {"subject": AWKWARD, "names": []},
        "mta_sts_mode": "",
        "mta_sts_id": "",
        "dnssec": "secure",
        "requiretls_offered": True,
        "requiretls_used": False,
        "signed_by": "s1 (RSA)",
        "reason": "",
        "detail": AWKWARD,
        "stopped_by": "",
        "scope": "host",
        "code": None,
        "enhanced": "",
        "reply": AWKWARD,
        "outcome": "delivered",
        "transcript": "",
        "transport": "",
        "transport_kind": "",
        "mechanism": "",
    }


def test_every_value_comes_back_as_it_was():
    with transaction.atomic():
        (pk,) = bulk.reserve_keys(Attempt, 1)
        written = row(pk)
        bulk.add(Attempt, [written])
    read = Attempt.objects.get(pk=pk)
    assert {name: getattr(read, name) for name in written} == written


def test_reserved_keys_are_nobody_elses():
    with transaction.atomic():
        keys = list(bulk.reserve_keys(Attempt, 3))
        bulk.add(Attempt, [row(pk) for pk in keys])
        more = list(bulk.reserve_keys(Attempt, 2))
        bulk.add(Attempt, [row(pk) for pk in more])
    later = Attempt(**{name: value for name, value in row(0).items() if name != "id"})
    later.save()
    assert len({*keys, *more, later.pk}) == 6


def test_nothing_to_add_is_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        bulk.add(Attempt, [])
