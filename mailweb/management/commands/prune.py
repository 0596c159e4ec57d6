"""Remove what is old: transcripts, attempts, settled messages, look-ups, old suppressions, the audit log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from delivery import clocks, pruning
from mailweb.lib.console import columns
from mailweb.pruning import KINDS

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """`prune attempts --days 90 --dry-run`; without a name everything that is set."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe what can be named."""
        names = ", ".join(KINDS)
        parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{names}; all by default")
        parser.add_argument("--days", type=int, help="keep so many, whatever is set")
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, kinds: list[str], days: int | None, **options: Any) -> None:
        """Remove, and say how much it was."""
        unknown = set(kinds) - KINDS.keys()
        if unknown:
            raise CommandError(f"There is no {min(unknown)}: name some of {', '.join(KINDS)}.")
        if days is not None and (not kinds or days < 1):
            raise CommandError("--days is at least 1, and needs the name of what it is for.")
        act = pruning.count if options["dry_run"] else pruning.prune
        now = clocks.shared().now()
        picked = [KINDS[name] for name in kinds] or list(KINDS.values())
        found = {
            kind.name: {"rows": act(kind, now=now, days=days), "days": days or kind.days}
            for kind in picked
        }
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], "pruned": found}))
            return
        verb = "would go" if options["dry_run"] else "gone"
        rows = [
            (
                name,
                f"{one['rows']} {verb}",
                f"older than {one['days']} days" if one["days"] else "kept for ever",
            )
            for name, one in found.items()
        ]
        self.stdout.write("\n".join(columns(rows)))
