"""Transports at a shell: ways out other than straight to the recipient's servers."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from delivery import audit, transport_tests, transports
from delivery.models import Transport
from delivery.policy.transport import Families, Kind, TlsRule
from mailweb.lib.console import columns
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django.core.management.base import CommandParser

LARGEST_SECRET = 16 * 1024
_LISTS = ("hosts", "sources", "exits", "mechanisms")


class Command(BaseCommand):
    """`transport add smarthost --kind submission --host smtp.example.org --user us --secret-file F`."""

    help = "Lists, sets up, tests, pauses and removes transports: ways out for outgoing mail."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("list", help="all transports, and whether they are in use")
        for name, words in (
            ("add", "set a transport up"),
            ("change", "change some of its settings; what is not named stays"),
            ("remove", "remove it; no route may lead to it"),
            ("test", "connect, log in, leave, and say what was found; no mail is sent"),
            ("pause", "let its mail wait"),
            ("resume", "let its mail leave again, now"),
        ):
            verbs.add_parser(name, help=words).add_argument("name")
        _add_settings(verbs.choices["add"], is_new=True)
        _add_settings(verbs.choices["change"], is_new=False)
        verbs.choices["pause"].add_argument("--reason", default="An operator paused it.")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, verb: str, **options: Any) -> None:
        """Run the verb; refusals become exit code 1."""
        try:
            document, lines, is_done = getattr(self, f"_{verb}")(options)
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))
        if not is_done:
            raise CommandError("The test failed.")

    def _list(self, _: dict[str, Any]) -> tuple[object, list[str], bool]:
        rows = list(Transport.objects.all())
        table = [(row.name, row.kind, " ".join(row.hosts), _state(row)) for row in rows]
        lines = columns([("NAME", "KIND", "HOSTS", "STATE"), *table]) if table else []
        return list(map(_document, rows)), lines or ["There are none: all mail goes direct."], True

    def _add(self, options: dict[str, Any]) -> tuple[object, list[str], bool]:
        row = transports.add(
            {"name": options["name"], **_changes(options)},
            secret=_secret(options) or "",
            client_secret=_client_secret(options) or "",
            actor=audit.shell(),
            now=timezone.now(),
        )
        return _document(row), [f"“{row.name}” is set up. No route leads to it yet."], True

    def _change(self, options: dict[str, Any]) -> tuple[object, list[str], bool]:
        row = transports.named(options["name"])
        transports.change(
            row,
            _changes(options),
            secret=_secret(options),
            client_secret=_client_secret(options),
            actor=audit.shell(),
            now=timezone.now(),
        )
        return _document(row), [f"“{row.name}” is changed: {_state(row)}."], True

    def _remove(self, options: dict[str, Any]) -> tuple[object, list[str], bool]:
        row = transports.named(options["name"])
        transports.remove(row, actor=audit.shell(), now=timezone.now())
        return {"removed": options["name"]}, [f"“{options['name']}” is removed."], True

    def _pause(self, options: dict[str, Any]) -> tuple[object, list[str], bool]:
        row = transports.named(options["name"])
        transports.pause(row, because=options["reason"], actor=audit.shell(), now=timezone.now())
        return _document(row), [f"“{row.name}” is paused; its mail waits."], True

    def _resume(self, options: dict[str, Any]) -> tuple[object, list[str], bool]:
        row = transports.named(options["name"])
        woken = transports.resume(row, actor=audit.shell(), now=timezone.now())
        document = {**_document(row), "woken": woken}
        return document, [f"“{row.name}” is in use again; {woken} copies leave now."], True

    def _test(self, options: dict[str, Any]) -> tuple[object, list[str], bool]:
        row = transports.named(options["name"])
        found = async_to_sync(transport_tests.test)(row)
        document = {
            "name": row.name,
            "works": found.works,
            "findings": [finding._asdict() for finding in found.findings],
        }
        lines = columns((one.step, one.words) for one in found.findings)
        return document, lines, found.works


def _add_settings(parser: ArgumentParser, *, is_new: bool) -> None:
    parser.add_argument("--kind", choices=[one.value for one in Kind], required=is_new)
    for name, words in (
        ("host", "where it leads to; several are tried in order"),
        ("source", "address to send from"),
        ("exit", "address that others see, for the check of SPF"),
        ("mechanism", "that may be used to log in, strongest first"),
    ):
        parser.add_argument(f"--{name}", dest=f"{name}s", action="append", help=words)
    parser.add_argument("--port", type=int)
    parser.add_argument("--tls", choices=[one.value for one in TlsRule])
    parser.add_argument("--families", choices=[one.value for one in Families])
    parser.add_argument("--ehlo-name", help="the name to say in EHLO")
    parser.add_argument("--user", dest="username", help="who logs in; empty for nobody")
    parser.add_argument("--secret-file", help="file with the password or token; - reads it here")
    parser.add_argument(
        "--token-url", help="where tokens are renewed; the secret is a refresh token"
    )
    parser.add_argument("--client-id", help="who asks for tokens there")
    parser.add_argument("--client-secret-file", help="file with what proves that, if anything does")
    parser.add_argument("--token-scope", help="what tokens are asked for, if that must be said")
    parser.add_argument("--pinned", help="the weakest mechanism that will do")
    parser.add_argument("--code", type=int, help="of “fail”: 400 to 599")
    parser.add_argument("--enhanced", help="of “fail”: such as 5.7.0")
    parser.add_argument("--text", help="of “fail”: what senders are told")
    state = parser.add_mutually_exclusive_group()
    state.add_argument("--on", dest="is_enabled", action="store_const", const=True)
    state.add_argument("--off", dest="is_enabled", action="store_const", const=False)


_SETTINGS = tuple(name for name in transports.SHOWN if name != "name")


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    """Return what was named; an empty value in a list alone empties it."""
    named = {name: options[name] for name in _SETTINGS if options[name] is not None}
    lists = {name: [one for one in named[name] if one] for name in _LISTS if name in named}
    changes = {**named, **lists}
    if "kind" in changes and changes["kind"] == Kind.RELAY and "tls" not in changes:
        changes["tls"] = TlsRule.VERIFIED if changes.get("username") else TlsRule.MAY
    return changes


def _secret(options: dict[str, Any]) -> str | None:
    """Read the secret from a file or standard input: what is on a command line, others can see."""
    if options["username"] == "":
        return ""
    return _read_secret(options["secret_file"])


def _client_secret(options: dict[str, Any]) -> str | None:
    return "" if options["token_url"] == "" else _read_secret(options["client_secret_file"])


def _read_secret(source: str | None) -> str | None:
    if source is None:
        return None
    if source == "-":
        if sys.stdin.isatty():
            return getpass.getpass("Password or token: ")
        text = sys.stdin.read(LARGEST_SECRET + 1)
    else:
        try:
            with Path(source).open(encoding="utf-8") as file:
                text = file.read(LARGEST_SECRET + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{source} can't be read: {error}") from None
    secret = text.rstrip("\r\n")
    if not secret or len(secret) > LARGEST_SECRET:
        raise CommandError("The secret is empty or too long.")
    return secret


def _state(row: Transport) -> str:
    if row.paused_at is not None:
        return f"paused since {row.paused_at:%Y-%m-%d %H:%M} UTC: {row.paused_because}"
    return "on" if row.is_enabled else "off"


def _document(row: Transport) -> dict[str, Any]:
    return {name: getattr(row, name) for name in transports.SHOWN} | {
        "has_secret": row.has_secret,
        "has_client_secret": row.has_client_secret,
        "paused_at": row.paused_at.isoformat() if row.paused_at else None,
        "paused_because": row.paused_because or None,
        "last_session": row.last_session,
    }
