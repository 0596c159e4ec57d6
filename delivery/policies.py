"""MTA-STS policies in the database: what one worker fetched, all of them know."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import transaction

from delivery import published
from delivery.agent.policy_fetch import StoredPolicy
from delivery.models import StsPolicy
from delivery.policy.facts import StsMode
from delivery.policy.reasons import Reason


class DatabasePolicyStore:
    """A `PolicyStore` (RFC 8461 §3.3: policies are cached for as long as they say)."""

    async def get(self, domain: str) -> StoredPolicy | None:
        """Return what is kept for `domain`, expired or not."""
        return await sync_to_async(_get)(domain)

    async def put(self, policy: StoredPolicy) -> None:
        """Keep `policy` instead of what was kept for its domain."""
        await sync_to_async(_put)(policy)

    async def drop(self, domain: str) -> None:
        """Forget what was kept for `domain`."""
        await sync_to_async(StsPolicy.objects.filter(domain=domain).delete)()


def _get(domain: str) -> StoredPolicy | None:
    row = StsPolicy.objects.filter(domain=domain).first()
    if row is None:
        return None
    return StoredPolicy(
        domain=row.domain,
        mode=StsMode(row.mode),
        fetched_at=row.fetched_at,
        expires_at=row.expires_at,
        policy_id=row.policy_id,
        mx=tuple(row.mx),
        text=row.text,
        retry_at=row.retry_at,
        reason=Reason(row.reason),
        detail=row.detail,
    )


def _put(policy: StoredPolicy) -> None:
    with transaction.atomic():
        _keep(policy)
        if policy.text and policy.retry_at is None:
            published.note_policy(policy)


def _keep(policy: StoredPolicy) -> None:
    StsPolicy.objects.update_or_create(
        domain=policy.domain,
        defaults={
            "mode": policy.mode,
            "fetched_at": policy.fetched_at,
            "expires_at": policy.expires_at,
            "policy_id": policy.policy_id,
            "mx": list(policy.mx),
            "text": policy.text,
            "retry_at": policy.retry_at,
            "reason": policy.reason,
            "detail": policy.detail,
        },
    )
