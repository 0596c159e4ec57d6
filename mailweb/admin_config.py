"""Makes the operators' site the one that Django's admin uses."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class OperatorsConfig(AdminConfig):
    """Django's admin with our first page."""

    default_site = "mailweb.admin_site.OperatorsSite"
