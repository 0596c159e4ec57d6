"""Whether the mail of this installation's domains is signed so that others can check it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import DatabaseError

from accounts import dkim
from accounts.models import DkimKey, Domain
from accounts.posture.dkim import KeyState
from accounts.posture.records import check
from delivery.agent.answers import follow
from mailweb.diagnosis.finding import Finding, ok, warn

if TYPE_CHECKING:
    from accounts.posture.records import Record
    from delivery.agent.answers import Resolver

NAME = "signatures"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningDomain:
    """A domain and the records of the keys that sign its mail."""

    name: str
    records: tuple[Record, ...]
    broken: tuple[str, ...] = ()
    """Selectors of keys that should sign and can't be opened."""


def signing_domains() -> list[SigningDomain] | None:
    """Return the active domains with their active keys; None if the database does not say."""
    try:
        domains = list(Domain.objects.filter(is_active=True))
        active = list(DkimKey.objects.filter(state=KeyState.ACTIVE).select_related("domain"))
    except DatabaseError:
        return None
    return [
        SigningDomain(
            name=domain.name,
            records=tuple(key.record for key in active if key.domain_id == domain.pk),
            broken=tuple(
                key.selector for key in active if key.domain_id == domain.pk and dkim.is_broken(key)
            ),
        )
        for domain in domains
    ]


async def signatures(ask: Resolver, domains: list[SigningDomain] | None) -> Finding:
    """Look whether each domain has a key that signs, and DNS the record of every such key."""
    if domains is None:
        return warn(NAME, "The database does not say which keys sign.", "Run manage.py migrate.")
    if not domains:
        return ok(NAME, "There is no domain whose mail could be signed.")
    for domain in domains:
        problem = await _problem_of(ask, domain)
        if problem is not None:
            return problem
    count = sum(len(domain.records) for domain in domains)
    return ok(NAME, f"Mail of all {len(domains)} domains is signed; DNS has all {count} records.")


async def _problem_of(ask: Resolver, domain: SigningDomain) -> Finding | None:
    name = domain.name
    if not domain.records:
        remedy = f"manage.py domain dkim-add {name}, and read docs/dkim.md."
        return warn(NAME, f"Mail of {name} goes unsigned (DKIM); some refuse that.", remedy)
    if domain.broken:
        remedy = f"Restore SECRET_KEY, or make new keys: manage.py domain dkim-add {name}"
        broken = ", ".join(domain.broken)
        return warn(NAME, f"Keys of {name} can't be opened: {broken}.", remedy)
    for record in domain.records:
        found = await follow(ask, record.name, "TXT")
        if found.failure is not None:
            remedy = "Check DNS_RESOLVERS, then look again."
            return warn(NAME, f"{record.name} can't be looked up: {found.detail}.", remedy)
        (verdict,) = check([record], lambda *_, values=found.records: values)
        if not verdict.will_do:
            said = verdict.sentence.partition(" Publish: ")[0]
            remedy = f"manage.py domain dkim-show {name} prints the record to publish."
            return warn(NAME, f"{record.name}: {said}", remedy)
    return None
