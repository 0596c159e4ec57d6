"""Fill the queue with held messages, and release them when told to.

`python -m bench.fill` reads `{"messages": [[number, [address, …]], …], "bytes": …}`, says
"held", waits for a line, says "released", and stays until its input is closed.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailweb.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import services as accounts  # noqa: E402
from accounts.models import Domain, User  # noqa: E402
from delivery import audit, limits, operations, services  # noqa: E402
from delivery.models import Content, OutboundMessage, Recipient, State  # noqa: E402
from delivery.orders import VERBS, Order  # noqa: E402
from delivery.picking import Filters, chosen  # noqa: E402
from delivery.policy.modes import SenderPolicy  # noqa: E402

SENDER = "alice@mailweb.test"
AT_ONCE = 2000


def letter(size: int) -> bytes:
    """Return a message of about `size` bytes."""
    head = f"From: {SENDER}\r\nTo: Undisclosed-recipients:;\r\nSubject: Load\r\n\r\n".encode()
    line = b"The quick brown fox jumps over the lazy dog and runs on to the next one.\r\n"
    return head + line * max(1, (size - len(head)) // len(line))


def sender(now: datetime) -> User:
    """Return the account that sends everything."""
    if not Domain.objects.filter(name="mailweb.test").exists():
        accounts.add_domain("mailweb.test", now=now)
        accounts.create_account(address=SENDER, password=f"bench {now.timestamp()}", now=now)
    owner = User.objects.get(username=SENDER)
    nobody = audit.Actor(name="bench")
    limits.set_limits(owner=owner, recipients=0, new_recipients=0, actor=nobody, now=now)
    return owner


def fill(messages: list[tuple[int, list[str]]], size: int) -> None:
    """Submit, and hold."""
    now = timezone.now()
    owner, content = sender(now), letter(size)
    for number, addresses in messages:
        with transaction.atomic():
            first = services.submit(
                owner=owner,
                mail_from=SENDER,
                recipients=[services.NewRecipient(address=address) for address in addresses],
                content=content,
                sender_policy=SenderPolicy(),
                now=now,
            )
            first.recipients.update(state=State.HELD, next_attempt_at=None)
        multiply(first, number - 1)


def multiply(message: OutboundMessage, number: int) -> None:
    """Add `number` messages that are like `message`, in bulk."""
    content, copies = bytes(message.content.data), list(message.recipients.all())
    for start in range(0, number, AT_ONCE):
        more = [_like(message) for _ in range(start, min(start + AT_ONCE, number))]
        with transaction.atomic():
            OutboundMessage.objects.bulk_create(more)
            Content.objects.bulk_create(Content(message=one, data=content) for one in more)
            Recipient.objects.bulk_create(_copy_like(copy, one) for one in more for copy in copies)


def _like(message: OutboundMessage) -> OutboundMessage:
    names = ("owner_id", "mail_from", "size_bytes", "sender_policy", "queued_at", "expires_at")
    return OutboundMessage(**{name: getattr(message, name) for name in names})


def _copy_like(copy: Recipient, message: OutboundMessage) -> Recipient:
    names = ("owner_id", "address", "domain", "mode", "state", "next_attempt_at")
    return Recipient(message=message, **{name: getattr(copy, name) for name in names})


if __name__ == "__main__":
    wanted = json.loads(sys.stdin.readline())
    fill([(number, addresses) for number, addresses in wanted["messages"]], wanted["bytes"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # a database that has been in use knows how large its tables are
    print("held", flush=True)
    sys.stdin.readline()
    now = timezone.now()
    everything = chosen(Filters(everything=True), now=now)
    release = Order(verb=VERBS["release"])
    operations.carry_out(release, everything, by=audit.shell(), now=now)
    print("released", flush=True)
    sys.stdin.read()
