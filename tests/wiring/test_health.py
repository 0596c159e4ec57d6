from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

if TYPE_CHECKING:
    from django.test import Client


def test_healthz_answers_without_a_database(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_readyz_is_ready_once_migrated(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["database"] == "ok"


@pytest.mark.django_db
def test_readyz_waits_for_missing_migrations(client: Client) -> None:
    call_command("migrate", "webmail", "zero", fake=True, verbosity=0)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["database"] == "migrations are missing"


def test_probes_refuse_to_be_posted_to(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
    assert client.post("/readyz").status_code == 405
