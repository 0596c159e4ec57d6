"""Routes at a shell: which mail leaves by which transport, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from delivery import audit, routes
from delivery.models import Route
from delivery.policy import routing
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """`route add --to .example.org --after 3 smarthost`: from the 4th attempt on."""

    help = "Lists, adds, removes and explains routes: which mail leaves by which transport."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("list", help="all routes, in the order in which they are asked")
        add = verbs.add_parser("add", help="send some mail another way")
        add.add_argument("transport", help="its name, or “direct”")
        level = add.add_mutually_exclusive_group()
        level.add_argument("--account", default="", help="only for mail of this account")
        level.add_argument("--domain", default="", help="only for senders of this domain")
        add.add_argument("--from", dest="senders", action="append", default=[], metavar="DOMAIN")
        add.add_argument("--to", action="append", default=[], metavar="DOMAIN", help=_SUFFIX)
        add.add_argument("--after", type=int, default=0, metavar="ATTEMPTS", help=_AFTER)
        add.add_argument("--position", type=int, default=100, help="smaller ones are asked first")
        verbs.add_parser("remove", help="remove a route").add_argument("id", type=int)
        explain = verbs.add_parser("explain", help="by which way a copy would leave, and why")
        explain.add_argument("sender", metavar="FROM", help="the address, or <> for a bounce")
        explain.add_argument("to", metavar="TO")
        explain.add_argument("--attempts", type=int, default=0, help="already made")
        explain.add_argument("--account", default="", help="whose mail; by default the sender's")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, verb: str, **options: Any) -> None:
        """Run the verb; refusals become exit code 1."""
        try:
            document, lines = getattr(self, f"_{verb}")(options)
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))

    def _list(self, _: dict[str, Any]) -> tuple[object, list[str]]:
        rows = Route.objects.select_related("transport", "account")
        rows_in_order = sorted(rows, key=lambda row: routes.value_of(row).rank)
        lines = [routing.told(routes.value_of(row)) for row in rows_in_order]
        return list(map(_document, rows_in_order)), lines or [
            "There are no routes: all goes direct."
        ]

    def _add(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        if options["after"] < 0 or options["position"] < 0:
            raise CommandError("Numbers of attempts and positions are not negative.")
        row = routes.add(
            routes.NewRoute(
                account=options["account"],
                domain=options["domain"],
                sender_domains=tuple(options["senders"]),
                recipient_domains=tuple(options["to"]),
                minimum_attempts=options["after"],
                transport=options["transport"],
                position=options["position"],
            ),
            actor=audit.shell(),
            now=timezone.now(),
        )
        return _document(row), [routing.told(routes.value_of(row))]

    def _remove(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        routes.remove(options["id"], actor=audit.shell(), now=timezone.now())
        return {"removed": options["id"]}, [f"Route {options['id']} is removed."]

    def _explain(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        found = routes.explain(
            mail_from=options["sender"].strip("<>"),
            rcpt=options["to"],
            attempts_made=options["attempts"],
            account=options["account"],
            now=timezone.now(),
        )
        way = found.transport
        waits = way.barred.public if way and way.barred else ""
        document = {
            "transport": way.name if way else "direct",
            "kind": None if way is None or waits else way.kind.value,
            "route": found.route,
            "because": found.because,
            "waits": waits or None,
        }
        return document, [str(document["transport"]), found.because, *([waits] if waits else [])]


_SUFFIX = "recipients of this domain; .example.org is that and all below it"
_AFTER = "only for copies that were tried so often before"


def _document(row: Route) -> dict[str, Any]:
    return {
        "id": row.pk,
        "level": row.level,
        "account": row.account.get_username() if row.account else None,
        "domain": row.domain or None,
        "from": row.sender_domains,
        "to": row.recipient_domains,
        "after_attempts": row.minimum_attempts,
        "position": row.position,
        "transport": row.transport.name if row.transport else "direct",
    }
