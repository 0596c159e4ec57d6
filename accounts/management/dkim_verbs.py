"""The verbs of `manage.py domain` about keys: each returns a document, lines, and whether it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from accounts import dkim
from accounts.lookup import operator_lookup
from accounts.models import DkimKey, Domain
from accounts.names import parse_domain
from accounts.posture.dkim import BEFORE_USE, IN_DNS
from accounts.services import UnknownDomainError
from delivery.dkim import Algorithm
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

Told = tuple[object, list[str], bool]


def add(options: dict[str, Any]) -> Told:
    """Make keys and print what to publish."""
    wanted = options["algorithm"]
    keys = dkim.add_keys(
        domain=_domain(options),
        algorithms=tuple(Algorithm) if wanted == "both" else (Algorithm(wanted),),
        selector=options["selector"],
        now=timezone.now(),
    )
    return [_document(key) for key in keys], [_shown(key) for key in keys], True


def show(options: dict[str, Any]) -> Told:
    """Print every key that matters to DNS, with its record."""
    keys = [key for key in _keys(options) if options["selector"] or key.state in IN_DNS]
    nothing = ["There are no keys. Make some with: manage.py domain dkim-add"]
    return [_document(key) for key in keys], [_shown(key) for key in keys] or nothing, True


def check(options: dict[str, Any]) -> Told:
    """Look whether DNS has the records."""
    look_up, now = operator_lookup(), timezone.now()
    keys = [key for key in _keys(options) if key.state in IN_DNS]
    verdicts = [dkim.check_key(key=key, look_up=look_up, now=now) for key in keys]
    lines = [
        f"{'yes' if each.will_do else 'NO '}  {key.selector} ({key.state}): {each.sentence}"
        for key, each in zip(keys, verdicts, strict=True)
    ]
    document = [
        _document(key) | {"will_do": each.will_do} for key, each in zip(keys, verdicts, strict=True)
    ]
    is_done = bool(keys) and all(each.will_do for each in verdicts)
    return document, lines or ["There are no keys."], is_done


def activate(options: dict[str, Any]) -> Told:
    """Sign with the new keys, once DNS has their records; with --force before that."""
    look_up, now = None if options["force"] else operator_lookup(), timezone.now()

    def act(key: DkimKey) -> str:
        replaced = dkim.activate(key=key, look_up=look_up, now=now)
        return f"{key} signs now." + "".join(f" {each} is retiring." for each in replaced)

    keys = [key for key in _keys(options) if options["selector"] or key.state in BEFORE_USE]
    return _each(keys, act, "There is no new key. Make one with: manage.py domain dkim-add")


def retire(options: dict[str, Any]) -> Told:
    """Take one key a step towards its end."""
    now = timezone.now()

    def act(key: DkimKey) -> str:
        dkim.retire(key=key, now=now, is_forced=options["force"])
        return f"{key} is {key.state}. {dkim.advice(key)}"

    if not options["selector"]:
        raise UserError("Say which key: --selector NAME")
    return _each(_keys(options), act, "There is no key with that selector.")


VERBS: dict[str, Callable[[dict[str, Any]], Told]] = {
    "dkim-add": add,
    "dkim-show": show,
    "dkim-check": check,
    "dkim-activate": activate,
    "dkim-retire": retire,
}


def _each(keys: list[DkimKey], act: Callable[[DkimKey], str], nothing: str) -> Told:
    """Do it to each key; one refusal does not keep the others from it."""
    if not keys:
        raise UserError(nothing)
    lines, is_done = [], True
    for key in keys:
        try:
            lines.append(act(key))
        except UserError as refusal:
            lines.append(refusal.sentence)
            is_done = False
    return [_document(key) for key in keys], lines, is_done


def _domain(options: dict[str, Any]) -> Domain:
    name = parse_domain(options["name"])
    domain = Domain.objects.filter(name=name).first()
    if domain is None:
        raise UnknownDomainError
    return domain


def _keys(options: dict[str, Any]) -> list[DkimKey]:
    return dkim.keys_of(_domain(options), [options["selector"]])


def _shown(key: DkimKey) -> str:
    algorithm = Algorithm(key.algorithm).shown
    return f"; {key.selector} ({algorithm}) is {key.state}. {dkim.advice(key)}\n{key.record}"


def _document(key: DkimKey) -> dict[str, object]:
    return {
        "domain": key.domain.name,
        "selector": key.selector,
        "algorithm": key.algorithm,
        "state": key.state,
        "name": key.record.name,
        "type": key.record.kind,
        "value": key.record.value,
        "strings": list(key.record.strings),
        "advice": dkim.advice(key),
        "created_at": _time(key.created_at),
        "activated_at": _time(key.activated_at),
        "retired_at": _time(key.retired_at),
        "checked_at": _time(key.checked_at),
        "finding": key.finding,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
