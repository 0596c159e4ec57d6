"""Domains of this installation at a shell: add, list, records to publish, checks, signing keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import outgoing, sending_rules, services
from accounts.dkim import records_of
from accounts.lookup import operator_lookup
from accounts.management import dkim_verbs
from accounts.models import Domain
from accounts.names import display_domain, parse_domain
from accounts.posture.records import check, records_for
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django.core.management.base import CommandParser

    from accounts.posture.records import Record


_NOT_DONE = dict.fromkeys(
    ("check", "dkim-check"), "Not all records are published as they should be."
)


class Command(BaseCommand):
    """`domain records mailweb.test` prints lines for a zone file."""

    help = "Adds and lists local domains, their DNS records, and the keys that sign their mail."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, words in (
            ("add", "receive and send for a domain"),
            ("records", "the DNS records to publish"),
            ("check", "whether they are published; exit code 1 if not"),
            ("enable", "send from it again, and let go what was kept"),
        ):
            verbs.add_parser(name, help=words).add_argument("name")
        for name, words in (
            ("dkim-add", "make keys that sign its mail (DKIM); they wait until they are activated"),
            ("dkim-show", "the keys, and the TXT record to publish for each"),
            ("dkim-check", "whether the records are published; exit code 1 if not"),
            ("dkim-activate", "sign with the new keys, if their records are published"),
            ("dkim-retire", "end a key; again once its record is needed no more"),
        ):
            _add_key_options(verbs.add_parser(name, help=words), name)
        disable = verbs.add_parser("disable", help="keep here what is sent from it; none is lost")
        disable.add_argument("name")
        disable.add_argument("--reason", default="", help="a sentence that senders read")
        verbs.add_parser("list", help="all local domains")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, verb: str, **options: Any) -> None:
        """Run the verb; refusals become exit code 1."""
        try:
            if verb == "disable":
                document, lines, is_done = _disable(options["name"], options["reason"])
            elif verb in dkim_verbs.VERBS:
                document, lines, is_done = dkim_verbs.VERBS[verb](options)
            else:
                document, lines, is_done = getattr(self, f"_{verb}")(options.get("name", ""))
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))
        if not is_done:
            raise CommandError(_NOT_DONE.get(verb, "That was not done for every key."))

    def _add(self, name: str) -> tuple[object, list[str], bool]:
        domain = services.add_domain(name, now=timezone.now())
        return {"name": domain.name}, [f"{domain.name} added."], True

    def _list(self, _: str) -> tuple[object, list[str], bool]:
        domains = list(Domain.objects.all())
        document = [
            {
                "name": each.name,
                "is_active": each.is_active,
                "is_sending": each.sending_stopped_at is None,
            }
            for each in domains
        ]
        lines = [
            display_domain(each.name)
            + ("" if each.is_active else "  off")
            + ("" if each.sending_stopped_at is None else "  sends nothing")
            for each in domains
        ]
        return document, lines or ["There are no domains."], True

    def _enable(self, name: str) -> tuple[object, list[str], bool]:
        domain = sending_rules.domain_named(name)
        released = sending_rules.resume_sending(domain=domain, now=timezone.now())
        document = {"name": domain.name, "is_sending": True, "released": released}
        return document, [f"{domain.name} sends again; {released} copies leave."], True

    def _records(self, name: str) -> tuple[object, list[str], bool]:
        records = _records_for(name)
        document = [
            {"name": each.name, "type": each.kind, "value": each.value, "why": each.why}
            for each in records
        ]
        return document, [f"; {each.why}\n{each}" for each in records], True

    def _check(self, name: str) -> tuple[object, list[str], bool]:
        look_up = operator_lookup()
        verdicts = check(_records_for(name), look_up)
        verdicts += outgoing.verdicts(parse_domain(name), look_up)
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


def _disable(name: str, reason: str) -> tuple[object, list[str], bool]:
    domain = sending_rules.domain_named(name)
    held = sending_rules.stop_sending(domain=domain, now=timezone.now(), reason=reason)
    document = {"name": domain.name, "is_sending": False, "held": held}
    return document, [f"{domain.name} sends nothing now; {held} copies are held."], True


def _add_key_options(parser: ArgumentParser, verb: str) -> None:
    parser.add_argument("name")
    parser.add_argument("--selector", default="", help="of one key; made up if left out")
    if verb == "dkim-add":
        kinds = ("rsa", "ed25519", "both")
        parser.add_argument("--algorithm", choices=kinds, default="both", help="default: both")
    if verb in ("dkim-activate", "dkim-retire"):
        what = "without a look at DNS" if verb == "dkim-activate" else "even if it is too early"
        parser.add_argument("--force", action="store_true", help=what)


def _records_for(name: str) -> tuple[Record, ...]:
    domain = parse_domain(name)
    keys = records_of(Domain.objects.filter(name=domain).first())
    return records_for(
        domain, hostname=settings.MAIL_HOSTNAME, keys=keys, addresses=outgoing.extra_addresses()
    )
