"""One module per part of the webmail."""

from __future__ import annotations
