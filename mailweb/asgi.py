"""Where requests and websockets come in."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailweb.settings")
web = get_asgi_application()

from mailweb.webmail.consumers import LiveConsumer  # noqa: E402  # needs the loaded apps

live = URLRouter([path("ws/", LiveConsumer.as_asgi())])
application = ProtocolTypeRouter(
    {"http": web, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(live))}
)
