"""The accounts app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and their settings."""

    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Connect the receivers."""
        import_module("accounts.receivers")
