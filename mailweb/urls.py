"""Every path, app by app."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from mailweb import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    *(
        path("", include(urls))
        for urls in ("accounts.urls", "mailweb.webmail.urls")
        if find_spec(urls)  # removed once both have landed
    ),
]
