"""The evidence ledger at a shell, newest first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import selectors as accounts
from delivery import selectors
from mailweb.lib.console import columns, duration

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_HEADER = ("AT", "DOMAIN", "SERVER", "STARTTLS", "TLS", "VERIFIED BY", "OUTCOME", "REPLY")


class Command(BaseCommand):
    """`attempts --domain example.org --failed --since 7d`."""

    help = "Prints what each session with other mail servers showed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the filters; all that are given must hold."""
        parser.add_argument("--account", default="", help="whose attempts")
        parser.add_argument("--domain", default="")
        parser.add_argument("--host", default="", help="the name of an MX host")
        parser.add_argument("--since", type=duration, help="such as 15m, 3h, 2d")
        parser.add_argument("--failed", action="store_true", help="only what was not delivered")
        parser.add_argument("--limit", type=int, default=100)
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, account: str, **options: Any) -> None:
        """Print the rows."""
        owner = accounts.user_named(account) if account else None
        if account and owner is None:
            raise CommandError(f"There is no account {account}.")
        since = options["since"]
        rows = selectors.attempts(
            owner_id=owner.pk if owner else None,
            domain=options["domain"].lower(),
            host=options["host"].lower(),
            since=timezone.now() - since if since else None,
            failed=options["failed"],
            limit=options["limit"],
        )
        documents = [selectors.attempt_document(row) for row in rows]
        self.stdout.write(
            json.dumps(documents) if options["json"] else "\n".join(_lines(documents))
        )


def _lines(documents: list[dict[str, Any]]) -> list[str]:
    if not documents:
        return ["There is no such attempt."]
    return columns(
        [
            _HEADER,
            *(
                (
                    one["at"][:19],
                    one["domain"],
                    one["mx"],
                    one["starttls"],
                    one["tls_version"],
                    ",".join(one["verified_by"]),
                    one["outcome"],
                    one["reply"].partition("\n")[0],
                )
                for one in documents
            ),
        ]
    )
