"""Queues messages of three accounts, each to five recipients: `python -m tests.campaign.fill 1000`."""

from __future__ import annotations

import sys

import django

RECIPIENTS = 5


def main(messages: int) -> None:
    """Queue them in one transaction, all due at once."""
    from django.db import transaction
    from django.utils import timezone

    from delivery import services
    from delivery.policy.modes import SenderPolicy
    from tests.campaign.installation import NAMES
    from tests.factories import make_user

    now = timezone.now()
    owners = [make_user(f"{name}@mailweb.test", now=now) for name in ("alice", "bob", "charlie")]
    with transaction.atomic():
        for number in range(messages):
            profiles = [NAMES[(number + one // 2) % len(NAMES)] for one in range(RECIPIENTS)]
            services.submit(
                owner=owners[number % len(owners)],
                mail_from="alice@mailweb.test",
                now=now,
                recipients=[
                    services.NewRecipient(address=f"r{number}-{index}@{profile}.test")
                    for index, profile in enumerate(profiles)
                ],
                content=b"Subject: Load\r\n\r\nHello.\r\n",
                sender_policy=SenderPolicy(),
            )


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]))
