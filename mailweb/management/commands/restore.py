"""Put a backup into an empty installation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from delivery import restored
from mailweb import backups
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """`restore /backups/mailweb-2026-11-20.tar --hold`."""

    help = __doc__ or ""
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Read what, and whether mail in it may leave."""
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--hold",
            action="store_true",
            help="hold all mail that was waiting: it may have left after the backup was made",
        )

    def handle(self, *, file: Path, hold: bool, **_: Any) -> None:
        """Restore, and say what to do next."""
        try:
            made = backups.restore(file.absolute())
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(f"Restored what was here at {made.made_at}, of version {made.version}.")
        if hold:
            held = restored.hold_all()
            self.stdout.write(f"{held} copies are held: look, then `manage.py queue release`.")
        self.stdout.write("Run `manage.py migrate` before you start it.")
