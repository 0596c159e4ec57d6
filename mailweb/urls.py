"""Every path, app by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from mailweb import health, metrics

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("readyz", health.readyz, name="readyz"),
    path("", include("accounts.urls")),
    path("", include("mailweb.webmail.urls")),
]
