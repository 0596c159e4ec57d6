"""Fill the queue with held messages, and release them when told to.

`python -m bench.fill NUMBER BYTES ADDRESS` says "held", and waits for a line.
"""

from __future__ import annotations

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailweb.settings")
django.setup()

from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import services as accounts  # noqa: E402
from accounts.models import Domain, User  # noqa: E402
from delivery import operations, services  # noqa: E402
from delivery.policy.modes import SenderPolicy  # noqa: E402


def letter(size: int, to: str) -> bytes:
    """Return a message of about `size` bytes."""
    head = f"From: alice@mailweb.test\r\nTo: {to}\r\nSubject: Load\r\n\r\n".encode()
    line = b"The quick brown fox jumps over the lazy dog and runs on to the next one.\r\n"
    return head + line * max(1, (size - len(head)) // len(line))


def fill(messages: int, size: int, to: str) -> None:
    """Submit, and hold."""
    now = timezone.now()
    if not Domain.objects.filter(name="mailweb.test").exists():
        accounts.add_domain("mailweb.test", now=now)
        accounts.create_account(
            address="alice@mailweb.test", password=f"bench {now.timestamp()}", now=now
        )
    owner = User.objects.get(username="alice@mailweb.test")
    content = letter(size, to)
    with transaction.atomic():
        for _ in range(messages):
            services.submit(
                owner=owner,
                mail_from="alice@mailweb.test",
                recipients=[services.NewRecipient(address=to)],
                content=content,
                sender_policy=SenderPolicy(),
                now=now,
            )
        operations.act("hold", operations.Filters(everything=True), now=now)


if __name__ == "__main__":
    fill(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    print("held", flush=True)
    sys.stdin.readline()
    operations.act("release", operations.Filters(everything=True), now=timezone.now())
