"""What the accounts tests share besides the cast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accounts import services

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import Domain


@pytest.fixture
def domain(db: None, now: datetime) -> Domain:
    """The domain of this installation, before anybody has an address in it."""
    return services.add_domain("mailweb.test", now=now)
