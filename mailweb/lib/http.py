"""Requests as views annotate them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from accounts.models import User


class Request(HttpRequest):
    """Any request, with what django-htmx knows about it."""

    htmx: HtmxDetails


class UserRequest(Request):
    """A request of somebody who is logged in."""

    user: User
