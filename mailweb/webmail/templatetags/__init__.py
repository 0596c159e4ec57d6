"""Filters and tags of the webmail's templates."""

from __future__ import annotations
