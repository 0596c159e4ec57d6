"""Reads the environment for settings: NAME, or the file that NAME_FILE points at."""

from __future__ import annotations

import environ
from environ.fileaware_mapping import FileAwareMapping


class _Mapping(FileAwareMapping):  # type: ignore[misc]  # django-environ has no types
    """Values from files come without the line end that editors and `echo` leave."""

    def __getitem__(self, key: str) -> str:
        return str(super().__getitem__(key)).rstrip("\r\n")


class Environment(environ.FileAwareEnv):  # type: ignore[misc]
    """Typed access: `env.int("SMTP_PORT", default=25)`."""

    ENVIRON = _Mapping()
