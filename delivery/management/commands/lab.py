"""The loopback internet on its own, until it is stopped."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from delivery.lab import PROFILES, Lab
from delivery.signing import keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Start DNS, MX hosts and a policy host on loopback, each domain with its own behaviour."""

    help = (
        "Start a small internet on loopback: write to someone@<profile>.test and see what each "
        "kind of server makes of it. Stop it with Ctrl-C or SIGTERM."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what can be chosen."""
        parser.add_argument("--list", action="store_true", help="name every profile, and exit")
        parser.add_argument(
            "--profile",
            action="append",
            default=[],
            choices=list(PROFILES),
            metavar="NAME",
            help="start only this profile; may be repeated",
        )
        parser.add_argument("--json", action="store_true", help="print JSON, for other programs")
        parser.add_argument(
            "--discard", action="store_true", help="accept mail without keeping it, and count it"
        )
        for name in ("smtp", "dns", "sts"):
            parser.add_argument(
                f"--{name}-port", type=int, default=0, metavar="PORT", help="0: any free port"
            )
        parser.add_argument(
            "--pace", type=float, default=1.0, help="multiplies how long slow hosts take"
        )
        parser.add_argument(
            "--keep-in",
            type=Path,
            default=Path(settings.LAB_DIR),
            metavar="DIRECTORY",
            help="where accepted mail is kept for the page /lab/ (default: %(default)s)",
        )

    def handle(self, **options: object) -> None:
        """List, or run until stopped."""
        if options["list"]:
            self._list(as_json=bool(options["json"]))
            return
        try:
            asyncio.run(self._run(_lab(options), as_json=bool(options["json"])))
        except OSError as error:
            raise CommandError(f"The lab could not start: {error}") from error

    def _list(self, *, as_json: bool) -> None:
        if as_json:
            profiles = {
                profile.name: {"domain": profile.domain, "description": profile.description}
                for profile in PROFILES.values()
            }
            self.stdout.write(json.dumps(profiles))
            return
        width = max(map(len, PROFILES))
        for profile in PROFILES.values():
            self.stdout.write(f"{profile.name:{width}}  {profile.description}")

    async def _run(self, lab: Lab, *, as_json: bool) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        async with lab:
            with _known_to_the_demo(lab):
                self.stdout.write(_as_json(lab) if as_json else _as_text(lab))
                self.stdout.flush()
                await stopped.wait()
            summary = lab.summary()
        if lab.discards:
            self.stdout.write(json.dumps({"summary": summary}))


@contextmanager
def _known_to_the_demo(lab: Lab) -> Iterator[None]:
    """Leave word of the resolver for the web process of a demo, which started before the lab."""
    if not settings.DEMO:
        yield
        return
    told = Path(settings.LAB_DIR) / "resolver"
    told.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    told.write_text(lab.environment["DNS_RESOLVERS"], encoding="ascii")
    try:
        yield
    finally:
        told.unlink(missing_ok=True)


def _own_records() -> list[tuple[str, str]]:
    """Return the records of the demo's keys, so that mail can be checked within the lab."""
    if not settings.DEMO:
        return []
    try:
        return list(keyring().records())
    except DatabaseError:  # no tables yet: nobody has keys
        return []
    finally:
        connections.close_all()


def _lab(options: dict[str, object]) -> Lab:
    discards = bool(options["discard"])
    names, keep_in = options["profile"], options["keep_in"]
    return Lab(
        profiles=list(map(str, names)) if isinstance(names, list) else (),
        smtp_port=int(str(options["smtp_port"])),
        dns_port=int(str(options["dns_port"])),
        sts_port=int(str(options["sts_port"])),
        mail_dir=None if discards or not isinstance(keep_in, Path) else keep_in,
        discards=discards,
        pace=float(str(options["pace"])),
        records=_own_records(),
    )


def _as_json(lab: Lab) -> str:
    domains = {name: asdict(domain) for name, domain in lab.domains.items()}
    return json.dumps(
        {
            "environment": lab.environment,
            "domains": domains,
            "trust_anchor": lab.zones.trust_anchor,
        }
    )


def _as_text(lab: Lab) -> str:
    variables = "\n".join(f"export {name}={value}" for name, value in lab.environment.items())
    domains = "\n".join(f"  {name:28}{domain.description}" for name, domain in lab.domains.items())
    return f"{variables}\n\nWrite to anybody at:\n{domains}\n\nCtrl-C stops."
