"""Queue a message from a file, as one of this installation's accounts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from delivery.policy.modes import Mode
from delivery.policy.reporting import BadReportingError, Reporting
from delivery.smtp import Notify, Ret
from mailweb.lib.errors import UserError
from mailweb.webmail import handing_over

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """`send --from alice@mailweb.test --to friend@requiretls.test message.eml`."""

    help = "Queues a complete message (RFC 5322) from an account. There is no undo window."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the arguments."""
        parser.add_argument("--from", dest="sender", required=True, metavar="ADDRESS")
        parser.add_argument("--to", action="append", required=True, metavar="ADDRESS")
        parser.add_argument(
            "--tls", choices=[one.value for one in Mode], default="", help="the mode of every copy"
        )
        parser.add_argument("--at", help="leave at this time (ISO 8601), at most 60 days ahead")
        parser.add_argument(
            "--notify",
            default="",
            metavar="WHEN",
            help="what to report: never, or some of success,failure,delay (RFC 3461)",
        )
        parser.add_argument(
            "--ret", choices=("full", "hdrs"), help="what a report of failure encloses"
        )
        parser.add_argument("--envid", default="", help="what reports call the message")
        parser.add_argument("file", help="the message, or - for standard input")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, sender: str, file: str, **options: Any) -> None:
        """Queue it; refusals become exit code 1."""
        release_at = parse_datetime(options["at"]) if options["at"] else None
        if options["at"] and release_at is None:
            raise CommandError(f"{options['at']!r} is not a time.")
        if release_at is not None and release_at.tzinfo is None:
            release_at = timezone.make_aware(release_at)
        try:
            data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
            message = handing_over.hand_over(
                sender=sender,
                addresses=options["to"],
                data=data,
                mode=Mode(options["tls"]) if options["tls"] else None,
                release_at=release_at,
                now=timezone.now(),
                reporting=_reporting(options),
            )
        except (UserError, OSError) as refusal:
            raise CommandError(str(refusal)) from None
        copies = [
            {"id": one.pk, "address": one.address, "mode": one.mode}
            for one in message.recipients.all()
        ]
        lines = [f"{one['id']}: {one['address']}, {one['mode']}" for one in copies]
        document = {"message": message.pk, "recipients": copies}
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))


def _reporting(options: dict[str, Any]) -> Reporting:
    words = [word for word in options["notify"].upper().split(",") if word]
    unknown = sorted(set(words) - set(Notify))
    if unknown:
        raise CommandError(f"--notify does not know {', '.join(unknown).lower()}.")
    try:
        return Reporting(
            ret={"full": Ret.FULL, "hdrs": Ret.HEADERS}.get(options["ret"]),
            envid=options["envid"],
            notify=frozenset(map(Notify, words)),
        )
    except BadReportingError as error:
        raise CommandError(str(error)) from None
