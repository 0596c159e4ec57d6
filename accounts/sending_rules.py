"""What operators decide about sending: domains that send nothing for now, limits of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from accounts import services
from accounts.models import Domain
from accounts.names import display_domain, parse_domain
from delivery import audit, holdrules, limits
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import User
    from delivery.models import SendingLimits


class NoDomainError(UserError):
    """This installation does not have that domain."""


class DomainStoppedError(UserError):
    """Sending from this domain is switched off already."""


class DomainSendsError(UserError):
    """Sending from this domain is not switched off."""


def domain_named(name: str) -> Domain:
    """Return the domain.

    Raises:
        BadDomainError: it is no domain name.
        NoDomainError: this installation does not have it.
    """
    found = Domain.objects.filter(name=parse_domain(name)).first()
    if found is None:
        raise NoDomainError(f"{name} is not a domain of this installation.", field="domain")
    return found


@transaction.atomic
def stop_sending(
    *, domain: Domain, now: datetime, actor: User | None = None, reason: str = ""
) -> int:
    """Keep here whatever is sent from the domain, until it is switched on; return how many copies.

    Nothing is lost and nothing expires. Mail to the domain still arrives.

    Raises:
        DomainStoppedError: it is switched off already.
    """
    stopped = Domain.objects.filter(pk=domain.pk, sending_stopped_at=None)
    if not stopped.update(sending_stopped_at=now):
        raise DomainStoppedError
    sentence = f"Sending from {display_domain(domain.name)} is switched off."
    whole = f"{sentence} {reason.strip()}".strip()
    held = holdrules.stop_domain(domain.name, reason=whole, actor=_actor(actor), now=now)
    services.record(
        "domain sending off", now=now, actor=actor, target=domain, detail={"held": held}
    )
    domain.sending_stopped_at = now
    return held


@transaction.atomic
def resume_sending(*, domain: Domain, now: datetime, actor: User | None = None) -> int:
    """Send from the domain again, and let go what was kept; return how many copies.

    Raises:
        DomainSendsError: it is not switched off.
    """
    stopped = Domain.objects.filter(pk=domain.pk, sending_stopped_at__isnull=False)
    if not stopped.update(sending_stopped_at=None):
        raise DomainSendsError
    released = holdrules.resume_domain(domain.name, actor=_actor(actor), now=now)
    services.record(
        "domain sending on", now=now, actor=actor, target=domain, detail={"released": released}
    )
    domain.sending_stopped_at = None
    return released


def set_limits(
    *,
    user: User,
    recipients: int | None,
    new_recipients: int | None,
    now: datetime,
    actor: User | None = None,
) -> SendingLimits:
    """Give an account limits of its own; None means those of the settings, 0 none at all.

    Raises:
        BadLimitError: a number is out of bounds.
    """
    return limits.set_limits(
        owner=user,
        recipients=recipients,
        new_recipients=new_recipients,
        actor=_actor(actor),
        now=now,
    )


def _actor(user: User | None) -> audit.Actor:
    return audit.Actor(name=user.username, user_id=user.pk) if user else audit.shell()
