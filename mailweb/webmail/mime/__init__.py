"""Messages as bytes and values: parse, sanitise, compose. Pure."""

from __future__ import annotations
