"""Accounts at a shell: add, list, disable, enable, password, limits of sending."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import selectors, sending_rules, services
from delivery import limits
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from accounts.models import User


class Command(BaseCommand):
    """`account add alice@mailweb.test` prints a password once."""

    help = "Adds, lists, disables and enables accounts; sets passwords and limits of sending."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        add = verbs.add_parser("add", help="make an account with its first address")
        add.add_argument("address", help="an address of a local domain; a plain name for operators")
        add.add_argument("--name", default="", help="the name that recipients see")
        add.add_argument("--operator", action="store_true", help="may use /admin/")
        password = verbs.add_parser("password", help="set a password; ends all sessions")
        password.add_argument("address")
        for verb in (add, password):
            verb.add_argument(
                "--password-stdin", action="store_true", help="read it from the first line"
            )
        for name, words in (("disable", "refuse log-in"), ("enable", "allow log-in again")):
            verbs.add_parser(name, help=words).add_argument("address")
        limited = verbs.add_parser("limits", help="what it may send in 24 hours, and has sent")
        limited.add_argument("address")
        for name, words in (("recipients", "recipients"), ("new", "first-time recipients")):
            limited.add_argument(
                f"--{name}", type=_limit, help=f"{words}; 0: no limit; default: as for everybody"
            )
        verbs.add_parser("list", help="all accounts with their addresses")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, verb: str, **options: Any) -> None:
        """Run the verb; refusals become exit code 1."""
        try:
            document, lines = getattr(self, f"_{verb}")(**options)
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))

    def _add(
        self, *, address: str, name: str, operator: bool, password_stdin: bool, **_: Any
    ) -> tuple[object, list[str]]:
        password, is_new = _password(from_stdin=password_stdin)
        make = services.create_operator if operator else services.create_account
        user = make(address=address, password=password, name=name, now=timezone.now())
        return _told(user, "added", password if is_new else "")

    def _password(
        self, *, address: str, password_stdin: bool, **_: Any
    ) -> tuple[object, list[str]]:
        user = services.account_named(address)
        password, is_new = _password(from_stdin=password_stdin, user=user)
        services.set_password(user=user, password=password, now=timezone.now())
        return _told(user, "has a new password", password if is_new else "")

    def _disable(self, *, address: str, **_: Any) -> tuple[object, list[str]]:
        user = services.account_named(address)
        services.disable_account(user=user, now=timezone.now())
        return _told(user, "disabled; its mail stays and still arrives", "")

    def _enable(self, *, address: str, **_: Any) -> tuple[object, list[str]]:
        user = services.account_named(address)
        services.enable_account(user=user, now=timezone.now())
        return _told(user, "enabled", "")

    def _limits(
        self, *, address: str, recipients: str | int | None, new: str | int | None, **_: Any
    ) -> tuple[object, list[str]]:
        user, now = services.account_named(address), timezone.now()
        if recipients is not None or new is not None:
            own = limits.own_limits(user.pk)
            sending_rules.set_limits(
                user=user,
                recipients=_chosen(recipients, own.recipients_per_day),
                new_recipients=_chosen(new, own.new_recipients_per_day),
                now=now,
            )
        usage = limits.usage_of(user.pk, now=now)
        document = {
            "address": user.username,
            "recipients_per_day": usage.limits.recipients,
            "new_recipients_per_day": usage.limits.new_recipients,
            "recipients_used": usage.recipients,
            "new_recipients_used": usage.new_recipients,
        }
        lines = [f"{row.name}: {row.sentence}" for row in selectors.limit_rows(user, now=now)]
        return document, lines

    def _list(self, **_: Any) -> tuple[object, list[str]]:
        rows = selectors.account_rows()
        lines = [f"{row.login}  {row.words}" for row in rows]
        return [row.as_json() for row in rows], lines or ["There are no accounts."]


def _password(*, from_stdin: bool, user: User | None = None) -> tuple[str, bool]:
    """Return a password and whether it was made here."""
    if not from_stdin:
        return services.new_password(), True
    password = sys.stdin.readline().rstrip("\r\n")
    services.check_new_password(password, user)
    return password, False


def _limit(text: str) -> str | int:
    """Read a number, or `default`."""
    return text if text == "default" else int(text)


def _chosen(said: str | int | None, before: int | None) -> int | None:
    """Return the new limit: as said, as for everybody, or as it was."""
    return before if said is None else None if isinstance(said, str) else said


def _told(user: User, what: str, password: str) -> tuple[object, list[str]]:
    document = {"address": user.username, "is_active": user.is_active}
    lines = [f"{user.username} {what}."]
    if password:
        document["password"] = password
        lines.append(f"Password: {password}  (shown once)")
    return document, lines
