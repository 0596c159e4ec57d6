"""Queues messages of three accounts, each to twenty recipients: `python -m tests.campaign.fill 250`."""

from __future__ import annotations

import sys

import django

RECIPIENTS = 20
RECIPIENTS_PER_DOMAIN = 4


def main(messages: int) -> None:
    """Queue them in one transaction, all due at once; none is to anybody written to before."""
    from django.db import transaction
    from django.utils import timezone

    from accounts.models import User
    from accounts.services import add_domain, create_account
    from delivery import services
    from delivery.models import OutboundMessage
    from delivery.policy.modes import SenderPolicy
    from tests.campaign.installation import NAMES

    now = timezone.now()
    if not User.objects.exists():
        add_domain("mailweb.test", now=now)
        for name in ("alice", "bob", "charlie"):
            create_account(address=f"{name}@mailweb.test", password=None, now=now)
    owners = list(User.objects.all())
    first = OutboundMessage.objects.count()
    with transaction.atomic():
        for number in range(first, first + messages):
            domains = [
                NAMES[(number + one // RECIPIENTS_PER_DOMAIN) % len(NAMES)]
                for one in range(RECIPIENTS)
            ]
            services.submit(
                owner=owners[number % len(owners)],
                mail_from="alice@mailweb.test",
                now=now,
                recipients=[
                    services.NewRecipient(address=f"r{number}-{index}@{domain}.test")
                    for index, domain in enumerate(domains)
                ],
                content=b"Subject: Load\r\n\r\nHello.\r\n",
                sender_policy=SenderPolicy(),
            )


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]))
