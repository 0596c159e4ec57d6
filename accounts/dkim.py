"""Everything that changes the keys of domains. Each change leaves an `AuditEntry`.

1. `add_keys` makes keys; they are planned, and their records are to be published.
2. `check_key` looks; once DNS has the right record, the key is published.
3. `activate` looks again, lets the key sign, and retires the one it replaces.
4. `retire` ends it. The private key is forgotten at once, the record must stay a while.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from accounts import services
from accounts.models import DkimKey, Domain
from accounts.posture.dkim import BEFORE_USE, IN_DNS, KeyState
from accounts.posture.records import check
from delivery.dkim import Algorithm, BadKeyError, SigningKey
from mailweb.lib.errors import UserError
from mailweb.lib.sealed import BrokenSealError, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from accounts.models import User
    from accounts.posture.records import Lookup, Record, Verdict

logger = logging.getLogger(__name__)

PURPOSE = "dkim key"
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class BadSelectorError(UserError):
    """A selector is made of letters, digits and hyphens."""


class SelectorTakenError(UserError):
    """This domain has a key with that selector already; choose another one."""


class KeyNotPublishedError(UserError):
    """The record of this key is not in DNS as it should be; it would break the mail it signs."""


class WrongStateError(UserError):
    """That can't be done with a key in this state."""


class RecordStillNeededError(UserError):
    """Mail signed with this key may still be under way."""


def add_keys(
    *,
    domain: Domain,
    algorithms: Sequence[Algorithm] = tuple(Algorithm),
    selector: str = "",
    now: datetime,
    actor: User | None = None,
) -> list[DkimKey]:
    """Make a key of each algorithm. Nothing is signed with them until they are activated.

    Without `selector` one is made up from the month. For two keys it gets an ending for each.

    Raises:
        BadSelectorError, SelectorTakenError: it can't be had.
    """
    made = [SigningKey.generate(each) for each in algorithms]
    try:
        with transaction.atomic():
            names = selectors_for(domain=domain, algorithms=algorithms, wanted=selector, now=now)
            pairs = zip(names, made, strict=True)
            keys = [_store(domain, name, private, now) for name, private in pairs]
            for key in keys:
                services.record("DKIM key added", now=now, actor=actor, target=key)
    except IntegrityError:  # somebody was faster
        raise SelectorTakenError(field="selector") from None
    return keys


def selectors_for(
    *, domain: Domain, algorithms: Sequence[Algorithm], wanted: str, now: datetime
) -> list[str]:
    """Return the selector of each new key, made from what was wanted or from the month.

    Raises:
        BadSelectorError, SelectorTakenError: it can't be had.
    """
    taken = set(domain.dkim_keys.values_list("selector", flat=True))
    stem = wanted.strip().lower()
    if not stem:
        return [_made_up(f"mw{now:%Y%m}{each.value[0]}", taken) for each in algorithms]
    names = [stem] if len(algorithms) == 1 else [f"{stem}-{each.value}" for each in algorithms]
    if not all(map(_LABEL.fullmatch, names)):
        raise BadSelectorError(field="selector")
    if taken.intersection(names):
        raise SelectorTakenError(field="selector")
    return names


def _made_up(stem: str, taken: set[str]) -> str:
    endings = ("", *map(str, range(2, len(taken) + 3)))
    return next(stem + each for each in endings if stem + each not in taken)


def _store(domain: Domain, selector: str, private: SigningKey, now: datetime) -> DkimKey:
    return DkimKey.objects.create(
        domain=domain,
        selector=selector,
        algorithm=private.algorithm,
        public_key=private.public,
        sealed_key=seal(private.to_bytes(), purpose=PURPOSE),
        created_at=now,
    )


def check_key(*, key: DkimKey, look_up: Lookup, now: datetime) -> Verdict:
    """Look whether DNS has the record of a key, and keep what was found.

    Raises:
        UserError: DNS gave no answer; then nothing is said about the key.
    """
    (verdict,) = check([key.record], look_up)
    key.checked_at, key.finding = now, verdict.sentence.partition(" Publish: ")[0][:200]
    if key.state in BEFORE_USE:
        key.state = KeyState.PUBLISHED if verdict.will_do else KeyState.PLANNED
        rows = DkimKey.objects.filter(pk=key.pk, state__in=BEFORE_USE)
        rows.update(state=key.state)
    DkimKey.objects.filter(pk=key.pk).update(checked_at=now, finding=key.finding)
    return verdict


def activate(
    *,
    key: DkimKey,
    look_up: Lookup | None,
    now: datetime,
    actor: User | None = None,
) -> list[DkimKey]:
    """Sign with a key from now on; return the keys that it replaces, which retire.

    DNS must show its record right now. None for `look_up` skips that: mail that is signed with a
    key nobody can find looks forged to some.

    Raises:
        WrongStateError: it signs already, or has been retired.
        KeyNotPublishedError: its record is missing or wrong.
    """
    if key.state not in BEFORE_USE:
        raise WrongStateError(f"{key} is {key.state}; only a new key can be activated.")
    if opened(bytes(key.sealed_key)) is None:
        raise WrongStateError(f"The private key of {key} can't be opened; make a new one.")
    if look_up is not None:
        verdict = check_key(key=key, look_up=look_up, now=now)
        if not verdict.will_do:
            raise KeyNotPublishedError(f"{key} is not published as it should be. {key.finding}")
    try:
        replaced = _take_over(key, now, actor, is_forced=look_up is None)
    except IntegrityError:
        raise WrongStateError("Another key was activated just now.") from None
    key.state, key.activated_at = KeyState.ACTIVE, now
    return replaced


@transaction.atomic
def _take_over(
    key: DkimKey, now: datetime, actor: User | None, *, is_forced: bool
) -> list[DkimKey]:
    """Retire the active key of the same kind, and let `key` sign."""
    same = DkimKey.objects.filter(domain=key.domain, algorithm=key.algorithm, state=KeyState.ACTIVE)
    replaced = list(same.select_related("domain"))
    for each in replaced:
        _end(each, KeyState.RETIRING, now, actor)
    taken = DkimKey.objects.filter(pk=key.pk, state__in=BEFORE_USE)
    if not taken.update(state=KeyState.ACTIVE, activated_at=now):
        raise WrongStateError(f"{key} was changed meanwhile.")
    detail = {"forced": True} if is_forced else {}
    services.record("DKIM key activated", now=now, actor=actor, target=key, detail=detail)
    return replaced


def retire(
    *, key: DkimKey, now: datetime, is_forced: bool = False, actor: User | None = None
) -> None:
    """Take a key one step towards its end.

    One that was never used is gone at once. An active one retires: it signs no more, and its
    record must stay. A retiring one is gone once its record is needed no more.

    Raises:
        WrongStateError: it is gone already.
        RecordStillNeededError: it is too early, and not forced.
    """
    if key.state == KeyState.GONE:
        raise WrongStateError(f"{key} is gone already.")
    until = key.record_needed_until
    if until is not None and now < until and not is_forced:
        raise RecordStillNeededError(
            f"Mail signed with {key} may still be under way. "
            f"Keep its record until {until:%Y-%m-%d %H:%M} UTC."
        )
    with transaction.atomic():
        is_used = key.state == KeyState.ACTIVE
        _end(key, KeyState.RETIRING if is_used else KeyState.GONE, now, actor)


def _end(key: DkimKey, state: KeyState, now: datetime, actor: User | None) -> None:
    key.state, key.sealed_key = state, b""
    key.retired_at = key.retired_at or now
    key.save(update_fields=["state", "sealed_key", "retired_at"])
    action = "DKIM key gone" if state is KeyState.GONE else "DKIM key retired"
    services.record(action, now=now, actor=actor, target=key)


@lru_cache(maxsize=1024)
def opened(sealed: bytes) -> SigningKey | None:
    """Return the private key in `sealed`, or None, with a line in the log, if it can't be used."""
    try:
        return SigningKey.from_bytes(unseal(sealed, purpose=PURPOSE))
    except (BrokenSealError, BadKeyError) as error:
        logger.error("DKIM key can't be opened; mail goes unsigned", extra={"why": repr(error)})  # noqa: TRY400
        return None


def is_broken(key: DkimKey) -> bool:
    """Tell whether a key that signs, or shall sign, can't: SECRET_KEY is not the one it was."""
    signs = key.state in (*BEFORE_USE, KeyState.ACTIVE)
    return signs and opened(bytes(key.sealed_key)) is None


def advice(key: DkimKey) -> str:
    """Say what is to be done about a key."""
    if is_broken(key):
        return "Its private key can't be opened: SECRET_KEY has changed. Add a new key."
    until = key.record_needed_until
    return {
        KeyState.PLANNED: "Publish the record, then activate the key.",
        KeyState.PUBLISHED: "The record is in DNS. Activate the key.",
        KeyState.ACTIVE: "It signs. Keep the record.",
        KeyState.RETIRING: f"It signs no more. Keep the record until {until:%Y-%m-%d %H:%M} UTC."
        if until
        else "",
        KeyState.GONE: "Take the record out of DNS.",
    }[KeyState(key.state)]


def keys_of(domain: Domain, selectors: Iterable[str] = ()) -> list[DkimKey]:
    """Return a domain's keys, the newest first, or only those with these selectors."""
    keys = DkimKey.objects.filter(domain=domain).select_related("domain")
    wanted = [each for each in selectors if each]
    return list(keys.filter(selector__in=wanted) if wanted else keys)


def records_of(domain: Domain | None) -> list[Record]:
    """Return the records that a domain's keys need in DNS now; none for a domain of others."""
    keys = keys_of(domain) if domain else []
    return [key.record for key in keys if key.state in IN_DNS]
