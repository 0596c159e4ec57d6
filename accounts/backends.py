"""Logging in with any address of an account."""

from __future__ import annotations
