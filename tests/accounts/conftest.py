"""The cast of the accounts tests: alice and bob, and charlie who must never see anything."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts import services
from accounts.models import Domain, User

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSWORD = "paper and ink"


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def domain(db) -> Domain:
    return services.add_domain("mailweb.test", now=NOW)


@pytest.fixture
def alice(domain) -> User:
    return services.create_account(
        address="alice@mailweb.test", password=PASSWORD, name="Alice", now=NOW
    )


@pytest.fixture
def bob(domain) -> User:
    return services.create_account(address="bob@mailweb.test", password=PASSWORD, now=NOW)


@pytest.fixture
def charlie(domain) -> User:
    return services.create_account(address="charlie@mailweb.test", password=PASSWORD, now=NOW)
