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

from delivery import audit, dispatch, maintenance, operations, selectors
from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from delivery.drain import DrainReport
from delivery.models import OPEN_STATES, Recipient, State
from delivery.orders import VERBS, Order, transport_named
from delivery.picking import Chosen, Filters, chosen
from delivery.policy.modes import Mode
from delivery.policy.why import words_for
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
        for name, one in VERBS.items():
            changing = verbs.add_parser(name, help=one.label.lower(), description=one.meaning)
            _add_value(changing, name)
            _add_changing(changing)
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
        rows = chosen(_filters(options), now=timezone.now()).among(_listed(options))
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
        lines += ["", *columns(stats["by_domain"].items())] if stats["by_domain"] else []
        why = [(words_for(key), depth) for key, depth in stats["by_reason"].items()]
        lines += ["", *columns(why)] if why else []
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
    parser.add_argument("--attempts-ge", type=_number)
    parser.add_argument("--limit", type=_number, help="at most so many, the longest due first")


def _number(text: str) -> int:
    """Read a whole number that is not below nothing."""
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text[:9])


def _add_value(parser: CommandParser, verb: str) -> None:
    """Describe what some verbs must be told, or can be."""
    if VERBS[verb].takes_now:
        parser.add_argument(
            "--now", action="store_true", help="and try at once; what is held stays held"
        )
    if verb == "mode":
        parser.add_argument("tls", choices=[one.value for one in Mode])
    if verb == "transport":
        parser.add_argument(
            "name", help="a transport, or direct; routes lets the routes decide again"
        )
    if verb == "schedule":
        parser.add_argument("at", type=_moment, help="ISO 8601, or now, or +15m, +3h, +2d")


def _add_changing(parser: CommandParser) -> None:
    _add_filters(parser)
    parser.add_argument(
        "--reason", default="", help="for the log; of hold and fail, the sender reads it, too"
    )
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
    """Carry out a verb, or say what it would do."""
    now = timezone.now()
    picked = chosen(_filters(options), now=now)
    order = Order(
        verb=VERBS[verb],
        reason=options["reason"],
        mode=Mode(options["tls"]) if "tls" in options else None,
        transport=transport_named(options["name"]) if "name" in options else None,
        at=options.get("at"),
        is_now=options.get("now", False),
    )
    if options["dry_run"]:
        return _would(order, picked, now)
    done = operations.carry_out(order, picked, by=audit.shell(), now=now)
    document = {"action": verb, "dry_run": False, "count": len(done.ids), "ids": done.ids}
    lines = [f"{verb}: {_copies(len(done.ids))} touched.", *map(_left, done.left_alone)]
    return {**document, "left_alone": list(done.left_alone)}, lines


def _would(order: Order, picked: Chosen, now: datetime) -> tuple[object, list[str]]:
    found = operations.preview(order, picked, now=now)
    document = {
        "action": order.verb.name,
        "dry_run": True,
        "count": found.count,
        "ids": operations.ids_of(order, picked),
        "by_state": dict(found.by_state),
        "by_domain": dict(found.by_domain),
        "left_alone": list(found.left_alone),
    }
    lines = [f"{order.verb.name}: {_copies(found.count)} would be touched."]
    lines += columns((f"  {state}", depth) for state, depth in found.by_state)
    lines += columns((f"  {domain}", depth) for domain, depth in found.by_domain)
    if found.other_domains:
        lines.append(f"  and {found.other_domains} more domains")
    return document, [*lines, *map(_left, found.left_alone)]


def _copies(number: int) -> str:
    return "1 copy" if number == 1 else f"{number} copies"


def _left(sentence: str) -> str:
    return f"Left alone: {sentence}."


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
    if text == "now":
        return timezone.now()
    if text.startswith("+"):
        return timezone.now() + duration(text[1:])
    found = parse_datetime(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time")
    return found if found.tzinfo else timezone.make_aware(found)
