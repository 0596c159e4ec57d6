"""Suppressed addresses of accounts at a shell: list, add, remove."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import services
from delivery import suppressions
from delivery.models import Suppression
from mailweb.lib.console import columns, duration
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_HEADER = ("ACCOUNT", "ADDRESS", "TIMES", "SINCE", "UNTIL", "WHY")


class Command(BaseCommand):
    """`suppress remove friend@example.org --account alice@mailweb.test`."""

    help = "Lists the addresses that accounts write to no more, and adds and removes some."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        listed = verbs.add_parser("list", help="what is in force now")
        listed.add_argument("--account", default="", help="of this account only")
        for name, words in (("add", "put an address on the list"), ("remove", "take it off")):
            verb = verbs.add_parser(name, help=words)
            verb.add_argument("address")
            verb.add_argument("--account", required=True, help="whose list")
        added = verbs.choices["add"]
        added.add_argument("--for", dest="for_time", type=duration, help="such as 12h or 30d")
        added.add_argument("--reason", default="", help="a note that the sender reads")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, verb: str, **options: Any) -> None:
        """Run the verb; refusals become exit code 1."""
        try:
            document, lines = getattr(self, f"_{verb}")(options)
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))

    def _list(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        entries = Suppression.objects.in_force(timezone.now()).select_related("owner")
        if options["account"]:
            entries = entries.filter(owner=services.account_named(options["account"]))
        documents = [_document(entry) for entry in entries]
        if not documents:
            return documents, ["No address is suppressed."]
        rows = [
            (
                one["account"],
                one["address"],
                one["times"],
                one["since"],
                one["until"] or "it is lifted",
                str(one["reply"] or one["note"]).partition("\n")[0],
            )
            for one in documents
        ]
        return documents, columns([_HEADER, *rows])

    def _add(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        now, owner = timezone.now(), services.account_named(options["account"])
        entry = suppressions.add(
            owner=owner,
            address=options["address"],
            note=options["reason"],
            for_time=options["for_time"],
            now=now,
        )
        detail = {"address": entry.address}
        services.record("address suppressed", now=now, target=owner, detail=detail)
        return _document(entry), [f"{entry.address} is suppressed for {owner}."]

    def _remove(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        now, owner = timezone.now(), services.account_named(options["account"])
        address = options["address"].strip()
        if not suppressions.lift(owner_id=owner.pk, address=address, now=now):
            raise suppressions.NotSuppressedError
        services.record("suppression lifted", now=now, target=owner, detail={"address": address})
        document = {"account": owner.username, "address": address}
        return document, [f"{address} is taken off the list of {owner}."]


def _document(entry: Suppression) -> dict[str, object]:
    return {
        "id": entry.pk,
        "account": entry.owner.username,
        "address": entry.address,
        "times": entry.times,
        "by_hand": entry.is_manual,
        "since": entry.since.isoformat(),
        "until": entry.ends_at.isoformat() if entry.ends_at else None,
        "code": entry.code,
        "enhanced": entry.enhanced,
        "reply": entry.reply,
        "note": entry.note,
    }
