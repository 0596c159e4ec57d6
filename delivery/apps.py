"""The delivery app."""

from __future__ import annotations

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """Queue, attempts and evidence."""

    name = "delivery"
    verbose_name = "Delivery"
