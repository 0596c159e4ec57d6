"""What would happen if Send were pressed now, and what can be done where that is not wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from accounts import selectors as accounts
from delivery import selectors, services
from delivery.policy.modes import BrokenTls, Mode
from mailweb.webmail import composing
from mailweb.webmail.recipients import FIELDS, recipients_of

if TYPE_CHECKING:
    from datetime import datetime

    from delivery.selectors import Outlook
    from mailweb.webmail.models import Draft
    from mailweb.webmail.recipients import Recipients


def outlook_of(draft: Draft, recipients: Recipients, *, now: datetime) -> Outlook:
    """Return what would happen to each copy if Send were pressed now, from what is stored."""
    user = draft.user
    copies = recipients.copies[: settings.MAX_RECIPIENTS]
    preferences = accounts.preferences_of(user)
    specs = [copy.spec for copy in copies]
    pledges = accounts.pledges_for(user, specs) if specs else {}
    local = accounts.local_domains({copy.domain_ascii for copy in copies}) if specs else set()
    by_hand = {key: Mode(mode) for key, mode in draft.copy_modes.items()}
    return selectors.outlook(
        owner_id=user.pk,
        copies=[
            selectors.CopyRequest(
                address=copy.spec,
                domain=copy.domain_ascii,
                by_hand=by_hand.get(copy.key),
                pledge=pledges.get(copy.spec),
                is_local=copy.domain_ascii in local,
            )
            for copy in copies
        ],
        by_hand=Mode(draft.mode) if draft.mode_is_by_hand else None,
        sender=preferences.policy,
        on_broken_tls=BrokenTls(preferences.on_broken_tls),
        is_list_reply=draft.is_list_reply,
        now=now,
    )


def look_up(draft: Draft, *, now: datetime) -> None:
    """Start the look-ups that are missing or out of date; nothing waits for DNS."""
    domains = {copy.domain_ascii for copy in recipients_of(draft).copies}
    away = domains - accounts.local_domains(domains)
    if away:
        services.request_lookup(owner=draft.user, domains=sorted(away), now=now)


def relax_refused(draft: Draft, *, now: datetime) -> None:
    """Choose Default for every copy that can't be sent as asked."""
    recipients = recipients_of(draft)
    outlook = outlook_of(draft, recipients, now=now)
    refused = {copy.address for copy in outlook.copies if copy.is_refused}
    for copy in recipients.copies:
        if copy.spec in refused:
            composing.choose_copy_mode(draft, key=copy.key, mode=Mode.DEFAULT)


@transaction.atomic
def split_off_impossible(draft: Draft, *, now: datetime) -> tuple[str, ...]:
    """Move those whose copy can't be sent into a draft of their own; return their addresses.

    So the others can be sent, and nobody is forgotten.
    """
    recipients = recipients_of(draft)
    outlook = outlook_of(draft, recipients, now=now)
    refused = {copy.address for copy in outlook.copies if copy.is_refused}
    left = [
        entry for entry in recipients.entries if entry.address and entry.address.spec in refused
    ]
    if not left or len(refused) == len(outlook.copies):
        return ()
    rest = composing.copy_draft(draft, now=now)
    for name in FIELDS:
        of_field = [entry for entry in recipients.entries if entry.field == name]
        setattr(draft, name, [entry.typed for entry in of_field if entry not in left])
        setattr(rest, name, [entry.typed for entry in of_field if entry in left])
    draft.save(update_fields=FIELDS)
    rest.save(update_fields=FIELDS)
    return tuple(entry.address.shown for entry in left if entry.address)
