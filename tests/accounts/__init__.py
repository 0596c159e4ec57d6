"""Accounts, settings and the dashboard, with the database."""

from __future__ import annotations
