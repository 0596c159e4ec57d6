"""The levels of the log, those below debug included, which show what goes over the wire.

Each shows more than the one before it, and only the last two show anything secret.
"""

from __future__ import annotations

import logging

TRACE = 8
"""The dialogue with mail servers, without credentials and without content."""

TRACEAUTH = 6
"""Credentials too."""

TRACEDATA = 4
"""Content too."""

BY_NAME = {
    "tracedata": TRACEDATA,
    "traceauth": TRACEAUTH,
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

for _name, _number in BY_NAME.items():
    logging.addLevelName(_number, _name.upper())


def level(name: str) -> int:
    """Return the number of a level.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        return BY_NAME[name.lower()]
    except KeyError:
        raise ValueError(f"LOG_LEVEL is one of {', '.join(BY_NAME)}, not {name!r}.") from None
