"""Hold rules at a shell: list, add, remove."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts import services
from delivery import audit, holdrules
from delivery.holdrules import NewRule
from delivery.models import HoldRule
from delivery.selectors import hold_rules
from mailweb.lib.console import columns, duration
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_HEADER = ("ID", "HOLDS", "COPIES", "SINCE", "UNTIL", "BY", "REASON")


class Command(BaseCommand):
    """`holdrule add --recipient-domain example.org --reason "…" --expires +2d`."""

    help = "Lists the rules that keep mail here, adds one, and removes one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("list", help="what is in force, and how many copies it holds")
        add = verbs.add_parser("add", help="hold what meets every condition given")
        add.add_argument("--account", default="", help="mail of this account")
        add.add_argument("--sender-domain", default="", help="mail from addresses there")
        add.add_argument("--recipient-domain", default="", help="mail to addresses there")
        add.add_argument("--all", action="store_true", help="all mail; no condition is given")
        add.add_argument("--reason", default="", help="a sentence that senders read")
        add.add_argument("--expires", type=_moment, help="ISO 8601, or +3h, +2d from now")
        add.add_argument("--dry-run", action="store_true", help="only count what it would hold")
        remove = verbs.add_parser("remove", help="let go what only this rule holds")
        remove.add_argument("id", type=int)
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
        documents = [_document(rule, held) for rule, held in hold_rules()]
        if not documents:
            return documents, ["No rule holds mail."]
        names = ("id", "holds", "held", "since", "until", "by", "reason")
        rows = [[one[name] for name in names] for one in documents]
        return documents, columns([_HEADER, *rows])

    def _add(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        account = options["account"]
        new = NewRule(
            account=services.account_named(account) if account else None,
            sender_domain=options["sender_domain"],
            recipient_domain=options["recipient_domain"],
            reason=options["reason"],
            expires_at=options["expires"],
            everything=options["all"],
        )
        now = timezone.now()
        if options["dry_run"]:
            would = holdrules.preview(new, now=now)
            return {"dry_run": True, "held": would}, [f"{would} copies would be held."]
        rule, held = holdrules.add(new, actor=audit.shell(), now=now)
        document = {"dry_run": False, **_document(rule, held)}
        return document, [f"Rule {rule.pk} holds {rule.words}: {held} copies."]

    def _remove(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        rule = HoldRule.objects.filter(pk=options["id"]).first()
        if rule is None:
            raise holdrules.NoRuleError(f"There is no hold rule {options['id']}.")
        released = holdrules.remove(rule, actor=audit.shell(), now=timezone.now())
        document = {"id": options["id"], "released": released}
        return document, [f"Rule {options['id']} is removed; {released} copies leave."]


def _document(rule: HoldRule, held: int) -> dict[str, Any]:
    return {
        "id": rule.pk,
        "holds": rule.words,
        "account": rule.account.username if rule.account else None,
        "sender_domain": rule.sender_domain,
        "recipient_domain": rule.recipient_domain,
        "kind": rule.kind,
        "reason": rule.reason,
        "by": rule.created_by,
        "since": rule.created_at.isoformat(),
        "until": rule.expires_at.isoformat() if rule.expires_at else None,
        "held": held,
    }


def _moment(text: str) -> datetime:
    """Read a time, or a duration from now."""
    if text.startswith("+"):
        return timezone.now() + duration(text[1:])
    found = parse_datetime(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time")
    return found if found.tzinfo else timezone.make_aware(found)
