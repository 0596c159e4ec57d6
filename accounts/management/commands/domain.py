"""Domains of this installation at a shell: add, list, the records to publish, the check of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import services
from accounts.lookup import OperatorLookup
from accounts.models import Domain
from accounts.names import display_domain, parse_domain
from accounts.posture.records import check, records_for
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """`domain records mailweb.test` prints lines for a zone file."""

    help = "Adds and lists local domains, prints the records to publish, checks them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, words in (
            ("add", "receive and send for a domain"),
            ("records", "the DNS records to publish"),
            ("check", "whether they are published; exit code 1 if not"),
        ):
            verbs.add_parser(name, help=words).add_argument("name")
        verbs.add_parser("list", help="all local domains")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, verb: str, **options: Any) -> None:
        """Run the verb; refusals become exit code 1."""
        try:
            document, lines, is_done = getattr(self, f"_{verb}")(options.get("name", ""))
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))
        if not is_done:
            raise CommandError("Not all records are published as they should be.")

    def _add(self, name: str) -> tuple[object, list[str], bool]:
        domain = services.add_domain(name, now=timezone.now())
        return {"name": domain.name}, [f"{domain.name} added."], True

    def _list(self, _: str) -> tuple[object, list[str], bool]:
        domains = list(Domain.objects.all())
        document = [{"name": each.name, "is_active": each.is_active} for each in domains]
        lines = [
            display_domain(each.name) + ("" if each.is_active else "  off") for each in domains
        ]
        return document, lines or ["There are no domains."], True

    def _records(self, name: str) -> tuple[object, list[str], bool]:
        records = records_for(parse_domain(name), hostname=settings.MAIL_HOSTNAME)
        document = [
            {"name": each.name, "type": each.kind, "value": each.value, "why": each.why}
            for each in records
        ]
        return document, [f"; {each.why}\n{each}" for each in records], True

    def _check(self, name: str) -> tuple[object, list[str], bool]:
        records = records_for(parse_domain(name), hostname=settings.MAIL_HOSTNAME)
        verdicts = check(records, OperatorLookup(settings.DNS_RESOLVERS))
        document = [
            {
                "name": each.record.name,
                "type": each.record.kind,
                "will_do": each.will_do,
                "sentence": each.sentence,
            }
            for each in verdicts
        ]
        lines = [
            f"{'yes' if each.will_do else 'NO '}  {each.record.kind:4} {each.record.name}: "
            f"{each.sentence}"
            for each in verdicts
        ]
        return document, lines, all(each.will_do for each in verdicts)
