"""Plain functions that make what tests start from. Each takes what matters and fills in the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts import services
from accounts.models import Domain, User

if TYPE_CHECKING:
    from datetime import datetime

PASSWORD = "correct horse battery"


def make_user(address: str, *, now: datetime, name: str = "", password: str = PASSWORD) -> User:
    """Create somebody with one address, and its domain if this is the first one in it."""
    domain = address.rpartition("@")[2]
    if not Domain.objects.filter(name=domain).exists():
        services.add_domain(domain, now=now)
    return services.create_account(address=address, password=password, name=name, now=now)


def make_operator(*, password: str = PASSWORD) -> User:
    """Create an operator: every permission, no mail."""
    return User.objects.create_superuser("admin", password)
