"""Who may see what: the only place where a key from a request becomes a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404

from accounts.models import BrowserSession, Pledge
from accounts.names import parse_domain
from delivery.models import (
    DomainEvidence,
    ProbeRequest,
    Recipient,
    Suppression,
    Webhook,
    WebhookCall,
)
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from accounts.models import User


def browser_session_for(user: User, pk: int) -> BrowserSession:
    """Return the user's session.

    Raises:
        Http404: there is none, or it is someone else's.
    """
    found = BrowserSession.objects.filter(user=user, pk=pk).first()
    if found is None:
        raise Http404
    return found


def pledge_for(user: User, pk: int) -> Pledge:
    """Return the user's pledge.

    Raises:
        Http404: there is none, or it is someone else's.
    """
    found = Pledge.objects.filter(user=user, pk=pk).first()
    if found is None:
        raise Http404
    return found


def webhook_for(user: User, pk: int) -> Webhook:
    """Return the user's webhook.

    Raises:
        Http404: there is none, or it is someone else's.
    """
    found = Webhook.objects.filter(owner=user, pk=pk).first()
    if found is None:
        raise Http404
    return found


def webhook_call_for(user: User, pk: int) -> WebhookCall:
    """Return a call of one of the user's webhooks.

    Raises:
        Http404: there is none, or it is someone else's.
    """
    found = WebhookCall.objects.filter(webhook__owner=user, pk=pk).first()
    if found is None:
        raise Http404
    return found


def suppression_for(user: User, pk: int) -> Suppression:
    """Return the entry of the user's list of suppressed addresses.

    Raises:
        Http404: there is none, or it is someone else's.
    """
    found = Suppression.objects.filter(owner=user, pk=pk).first()
    if found is None:
        raise Http404
    return found


def domain_for(user: User, name: str) -> str:
    """Return the domain, as A-labels, once the user has written to it or had it checked.

    Raises:
        Http404: it is no domain, or this account has had nothing to do with it.
    """
    try:
        domain = parse_domain(name)
    except UserError:
        raise Http404 from None
    if not _is_known(user, domain):
        raise Http404
    return domain


def _is_known(user: User, domain: str) -> bool:
    return (
        DomainEvidence.objects.filter(owner=user, domain=domain).exists()
        or Recipient.objects.filter(message__owner=user, domain=domain).exists()
        or ProbeRequest.objects.filter(owner=user, domain=domain).exists()
    )
