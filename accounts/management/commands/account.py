"""Accounts at a shell: add, list, disable, enable, password."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import selectors, services
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from accounts.models import User


class Command(BaseCommand):
    """`account add alice@mailweb.test` prints a password once."""

    help = "Adds, lists, disables and enables accounts, and sets passwords."

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


def _told(user: User, what: str, password: str) -> tuple[object, list[str]]:
    document = {"address": user.username, "is_active": user.is_active}
    lines = [f"{user.username} {what}."]
    if password:
        document["password"] = password
        lines.append(f"Password: {password}  (shown once)")
    return document, lines
