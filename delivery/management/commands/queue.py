"""The queue at a shell: look, run, and maintain."""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from delivery import dispatch, maintenance, operations, selectors
from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from delivery.drain import DrainReport
from delivery.models import OPEN_STATES, Recipient, State
from delivery.operations import ACTIONS, Filters
from delivery.policy.modes import Mode
from mailweb.lib import memory
from mailweb.lib.console import columns, duration
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

logger = logging.getLogger(__name__)

_HEADER = ("ID", "STATE", "FROM", "TO", "MODE", "TRIES", "NEXT", "LAST REPLY")


class Command(BaseCommand):
    """`queue list --to-domain example.org --state waiting`."""

    help = "Lists, shows, runs and maintains the queue of outgoing mail."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs; those that pick copies share one set of filters."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        _add_filters(verbs.add_parser("list", help="copies that are not settled"))
        show = verbs.add_parser("show", help="one copy with its history, settled ones too")
        show.add_argument("id", type=int)
        run = verbs.add_parser("run", help="drain due mail here, without Celery")
        run.add_argument("--once", action="store_true", help="return when nothing is due")
        verbs.add_parser("stats", help="depth and age by state, domain and reason")
        for action in ACTIONS:
            _add_changing(verbs.add_parser(action, help=f"{action} the picked copies"))
        verbs.choices["hold"].add_argument("--reason", default="", help="told to the sender")
        mode = verbs.add_parser("mode", help="send the picked copies differently from now on")
        mode.add_argument("tls", choices=[one.value for one in Mode])
        _add_changing(mode)
        schedule = verbs.add_parser("schedule", help="give the picked copies another time")
        schedule.add_argument("at", type=_moment, help="ISO 8601, or +15m, +3h, +2d from now")
        _add_changing(schedule)
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, verb: str, **options: Any) -> None:
        """Run the verb; refusals become exit code 1."""
        run = getattr(self, f"_{verb}", None)
        try:
            document, lines = run(options) if run else _change(verb, options)
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))

    def _list(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        rows = operations.picked(_filters(options), now=timezone.now(), states=_listed(options))
        documents = [selectors.queue_document(row) for row in selectors.with_messages(rows)]
        return documents, _table(documents)

    def _show(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        copy = selectors.with_messages(Recipient.objects.filter(pk=options["id"])).first()
        if copy is None:
            raise CommandError(f"There is no copy {options['id']}.")
        document = selectors.copy_document(copy)
        history = document.pop("history")
        lines = columns((f"{key}:", value) for key, value in document.items())
        tries = columns(
            (one["at"], one["mx"], one["outcome"], (one["reply"] or "").partition("\n")[0])
            for one in history
        )
        return {**document, "history": history}, [*lines, "", *tries]

    def _run(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        memory.settle_in()
        while True:
            try:
                report = _one_drain(once=options["once"])
            except (OperationalError, InterfaceError) as error:
                if options["once"]:
                    raise CommandError(f"The database can't be used now: {error}") from None
                logger.warning("database step failed", extra={"error": str(error)})
                close_old_connections()
                time.sleep(1)
            else:
                if options["once"] and report is not None:
                    done = {name: getattr(report, name) for name in report.__slots__}
                    return done, [", ".join(f"{name} {number}" for name, number in done.items())]

    def _stats(self, options: dict[str, Any]) -> tuple[object, list[str]]:
        stats = selectors.queue_stats(now=timezone.now())
        lines = columns(
            (state, row["depth"], f"oldest {row['oldest_seconds']} s")
            for state, row in stats["by_state"].items()
        )
        lines += columns(stats["by_domain"].items()) + columns(stats["by_reason"].items())
        return stats, [f"{stats['total']} copies are not settled.", *lines]


def _one_drain(*, once: bool) -> DrainReport | None:
    config, clock = DeliveryConfig.from_settings(), SystemClock()
    maintenance.sweep(now=clock.now())
    return dispatch.drain(config=config, clock=clock, once=once)


def _add_filters(parser: CommandParser) -> None:
    parser.add_argument("--id", type=int, action="append", default=[])
    for name in ("account", "from-domain", "to", "to-domain", "transport"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--state", default="", choices=[one.value for one in State])
    parser.add_argument("--mode", default="", choices=[one.value for one in Mode])
    parser.add_argument("--older-than", type=duration, help="such as 15m, 3h, 2d")
    parser.add_argument("--attempts-ge", type=int)
    parser.add_argument("--limit", type=int)


def _add_changing(parser: CommandParser) -> None:
    _add_filters(parser)
    parser.add_argument("--all", action="store_true", help="needed when no filter is given")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be touched")


def _filters(options: dict[str, Any]) -> Filters:
    return Filters(
        ids=tuple(options["id"]),
        account=options["account"],
        from_domain=options["from_domain"],
        to=options["to"],
        to_domain=options["to_domain"],
        state=options["state"],
        mode=options["mode"],
        transport=options["transport"],
        older_than=options["older_than"],
        attempts_ge=options["attempts_ge"],
        limit=options["limit"],
        everything=options.get("all", True),
    )


def _listed(options: dict[str, Any]) -> tuple[State, ...]:
    """Settled copies are listed only when their state is asked for."""
    return (State(options["state"]),) if options["state"] else OPEN_STATES


def _change(verb: str, options: dict[str, Any]) -> tuple[object, list[str]]:
    filters, now = _filters(options), timezone.now()
    if options["dry_run"]:
        ids = operations.preview(verb, filters, now=now)
    elif verb == "mode":
        ids = operations.set_mode(Mode(options["tls"]), filters, now=now)
    elif verb == "schedule":
        ids = operations.schedule(options["at"], filters, now=now)
    else:
        ids = operations.act(verb, filters, now=now, reason=options.get("reason", ""))
    would = "would be " if options["dry_run"] else ""
    document = {"action": verb, "dry_run": options["dry_run"], "count": len(ids), "ids": ids}
    return document, [f"{verb}: {len(ids)} copies {would}touched."]


def _table(documents: list[dict[str, Any]]) -> list[str]:
    if not documents:
        return ["Nothing is waiting to leave."]
    return columns(
        [
            _HEADER,
            *(
                (
                    one["id"],
                    one["state"],
                    one["from"] or "<>",
                    one["to"],
                    one["mode"],
                    one["attempts"],
                    one["next_attempt_at"],
                    (one["last_reply"] or "").partition("\n")[0],
                )
                for one in documents
            ),
        ]
    )


def _moment(text: str) -> datetime:
    """Read a time, or a duration from now."""
    if text.startswith("+"):
        return timezone.now() + duration(text[1:])
    found = parse_datetime(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time")
    return found if found.tzinfo else timezone.make_aware(found)
