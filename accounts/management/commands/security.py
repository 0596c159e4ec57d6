"""The five bars of a domain and the verdict, exactly as compose shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import selectors as accounts
from delivery import lookups, probes, selectors, services
from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from delivery.models import ProbeRequest
from delivery.policy.bars import Bar
from delivery.policy.choice import MODE_NAMES
from delivery.policy.modes import BrokenTls, SenderPolicy
from mailweb.lib.console import columns
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from accounts.models import User

NOBODY = 0


class Command(BaseCommand):
    """`security example.org --account alice@mailweb.test --probe`."""

    help = "Shows how well mail to a domain can be protected, as an account sees it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the arguments."""
        parser.add_argument("domain")
        parser.add_argument("--account", default="", help="whose evidence; without it, nobody's")
        parser.add_argument("--probe", action="store_true", help="visit the servers first")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, domain: str, account: str, probe: bool, **options: Any) -> None:
        """Look the domain up now, and print."""
        owner = accounts.user_named(account) if account else None
        if (account or probe) and owner is None:
            raise CommandError(
                "--probe needs --account." if probe else f"There is no account {account}."
            )
        try:
            name = services.domain_of(f"x@{domain}")
        except UserError as refusal:
            raise CommandError(refusal.sentence) from None
        _refresh(owner, name, probe=probe)
        document = _document(owner, name)
        self.stdout.write(json.dumps(document) if options["json"] else "\n".join(_lines(document)))


def _refresh(owner: User | None, domain: str, *, probe: bool) -> None:
    config, clock = DeliveryConfig.from_settings(), SystemClock()
    if probe and owner is not None:
        request = ProbeRequest.objects.create(owner=owner, domain=domain)
        probes.answer(probe_id=request.pk, config=config, clock=clock)
        return
    owner_id = owner.pk if owner else NOBODY
    lookups.look_up(owner_id=owner_id, domain=domain, config=config, clock=clock)


def _document(owner: User | None, domain: str) -> dict[str, Any]:
    now = timezone.now()
    owner_id = owner.pk if owner else NOBODY
    preferences = accounts.preferences_of(owner) if owner else None
    outlook = selectors.outlook(
        owner_id=owner_id,
        copies=[selectors.CopyRequest(address=f"postmaster@{domain}", domain=domain)],
        by_hand=None,
        sender=preferences.policy if preferences else SenderPolicy(),
        on_broken_tls=BrokenTls(preferences.on_broken_tls) if preferences else BrokenTls.ASK,
        is_list_reply=False,
        now=now,
    )
    view = selectors.domain_views(owner_id=owner_id, domains=[domain], now=now)[domain]
    copy = outlook.copies[0]
    return {
        "domain": domain,
        "bars": {bar.key.value: _bar(bar) for bar in view.bars},
        "recommended": copy.mode.value,
        "because": outlook.choice.because,
        "outlook": {"way": copy.wire.words, "sentence": copy.sentence},
    }


def _bar(bar: Bar) -> dict[str, Any]:
    return {
        "state": bar.state.value,
        "since": bar.since.isoformat() if bar.since else None,
        "seen": bar.seen_at.isoformat() if bar.seen_at else None,
        "sessions": bar.sessions,
        "hits": bar.hits,
        "reason": bar.reason.value or None,
        "value": bar.value or None,
    }


def _lines(document: dict[str, Any]) -> list[str]:
    rows = columns(
        (name.upper().replace("_", "-"), bar["state"], bar["value"], bar["reason"], bar["seen"])
        for name, bar in document["bars"].items()
    )
    name = {mode.value: words for mode, words in MODE_NAMES.items()}[document["recommended"]]
    outlook = document["outlook"]
    return [
        document["domain"],
        *rows,
        f"{name}, {document['because']}",
        f"{outlook['way']}: {outlook['sentence']}",
    ]
