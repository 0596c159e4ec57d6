"""Transports and routes as operators set them up."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from delivery import audit, routes, transports
from delivery.models import Route, Transport
from tests.fakes.smtp_server import SmtpServer

OPERATOR = audit.Actor(name="olga")


def relay_to(server: SmtpServer, name: str = "smarthost", **settings: Any) -> Transport:
    """Set up a relay to a scripted server."""
    found = {"name": name, "kind": "relay", "tls": "may", "hosts": [server.address]}
    return new_transport(**(found | {"port": server.port} | settings))


def new_transport(*, secret: str = "", **settings: Any) -> Transport:
    return transports.add(settings, secret=secret, actor=OPERATOR, now=timezone.now())


def route_to(transport: str, **conditions: Any) -> Route:
    new = routes.NewRoute(transport=transport, **conditions)
    return routes.add(new, actor=OPERATOR, now=timezone.now())
