"""Say whether this installation can do what it promises."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.management import BaseCommand

from delivery.agent.clock import SystemClock
from delivery.agent.resolver import DnsResolver
from delivery.config import DeliveryConfig
from mailweb.diagnosis import Finding, Grade, machine, network, signatures

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Prints a line for each check; exits with 1 if something does not work at all."""

    help = __doc__ or ""
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Read how to print, and whom to reach."""
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument(
            "--reach",
            default="gmail.com",
            metavar="DOMAIN",
            help="whose mail server to connect to, without sending anything (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run every check and print what they found."""
        findings = [*_on_this_machine(), *async_to_sync(_outside)(options["reach"])]
        if options["json"]:
            self.stdout.write(json.dumps({"findings": [asdict(one) for one in findings]}))
        else:
            self.stdout.write("\n".join(map(_line, findings)))
        if any(one.grade is Grade.FAIL for one in findings):
            sys.exit(1)


def _on_this_machine() -> list[Finding]:
    return [
        machine.data_directory(),
        machine.database(),
        machine.broker(),
        machine.live_updates(),
        machine.clock(),
        machine.certificate_authorities(),
        machine.deployment(),
    ]


async def _outside(domain: str) -> list[Finding]:
    config = replace(DeliveryConfig.from_settings().agent, time_scale=network.CONNECT_SCALE)
    resolver = DnsResolver(config, clock=SystemClock())
    try:
        return [
            await network.resolver(resolver, config),
            await network.own_name(resolver, config),
            await network.way_out(resolver, config, domain),
            await signatures.signatures(
                resolver, await sync_to_async(signatures.signing_domains)()
            ),
        ]
    finally:
        await resolver.close()


def _line(finding: Finding) -> str:
    line = f"{finding.grade:5} {finding.name}: {finding.sentence}"
    remedy = finding.remedy.replace("\n", "\n        ")
    return f"{line}\n      → {remedy}" if remedy else line
