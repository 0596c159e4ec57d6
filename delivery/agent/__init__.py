"""The I/O shell: sockets, TLS, DNS, HTTPS. No ORM, no Django."""

from __future__ import annotations
