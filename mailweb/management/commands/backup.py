"""Make a backup of everything, in one file, while everything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from mailweb import backups
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """`backup /backups/mailweb-2026-11-20.tar`."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        """Read where to."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, file: Path, **options: Any) -> None:
        """Make it, and say what is in it."""
        try:
            made = backups.make(file.absolute())
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        size = file.stat().st_size
        if options["json"]:
            document = {"file": str(file), "bytes": size, "engine": made.engine, "keys": made.keys}
            self.stdout.write(json.dumps(document))
            return
        keys = " and ".join(made.keys) or "no keys: SECRET_KEY is set from outside, keep it too"
        self.stdout.write(f"{file}: {size:,} bytes, the database ({made.engine}) and {keys}.")
