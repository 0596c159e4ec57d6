"""The webmail app."""

from __future__ import annotations

from django.apps import AppConfig


class WebmailConfig(AppConfig):
    """Mailboxes, messages, drafts."""

    name = "mailweb.webmail"
    label = "webmail"
    verbose_name = "Webmail"

    def ready(self) -> None:
        """Listen to what delivery has to tell."""
        from mailweb.webmail import receivers  # noqa: F401
