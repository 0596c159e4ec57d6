"""Log lines: an event with its fields, for a terminal, as JSON or as logfmt.

Everything goes the same way, whoever logs: our own code, Django, Celery, the web server. What is
bound to the work at hand (`structlog.contextvars`: which message, which copies) stands on each
line of it, so that one id tells the story across processes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import structlog
from structlog.stdlib import ProcessorFormatter

from mailweb.lib.levels import TRACEAUTH
from mailweb.lib.redaction import redacted, redacted_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

FORMATS = ("console", "json", "logfmt")
FIRST = ("at", "level", "logger", "event")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def formatter_for(name: str) -> ProcessorFormatter:
    """Return the formatter of a log in the format `name`."""
    last: dict[str, list[Processor]] = {
        "console": [_escape, _console],
        "json": [structlog.processors.JSONRenderer(default=str, ensure_ascii=False)],
        "logfmt": [_escape, _keys_as_words, _logfmt],
    }
    return ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_PREPARATION],
        processors=[*_COMMON, *last[name]],
    )


def console() -> ProcessorFormatter:
    """Return the formatter for a terminal: one readable line, the traceback below it."""
    return formatter_for("console")


def as_json() -> ProcessorFormatter:
    """Return the formatter for programs: one JSON object a line."""
    return formatter_for("json")


def logfmt() -> ProcessorFormatter:
    """Return the formatter for both: one line of key=value."""
    return formatter_for("logfmt")


def configuration(*, level: int, form: str, levels: dict[str, str]) -> dict[str, Any]:
    """Return the configuration of `logging`; `levels` names loggers that say less.

    Raises:
        ValueError: there is no such format.
    """
    if form not in FORMATS:
        raise ValueError(f"LOG_FORMAT is one of {', '.join(FORMATS)}, not {form!r}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "console": {"()": "mailweb.lib.logs.console"},
            "json": {"()": "mailweb.lib.logs.as_json"},
            "logfmt": {"()": "mailweb.lib.logs.logfmt"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {name: {"level": least} for name, least in levels.items()},
    }


# The steps that every line goes through


def _request_in_short(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put method and path where Django hands over a whole request: its query may hold secrets."""
    request = event.pop("request", None)
    if request is not None and hasattr(request, "path"):
        event["method"] = getattr(request, "method", "")
        event["path"] = request.path
    return event


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide what is secret; lines that were asked for by level, to show it, stay as they are."""
    record = event["_record"]
    if record.levelno <= TRACEAUTH and record.name == DIALOGUE:
        return event
    shown: EventDict = {}
    for name, value in event.items():
        if name.startswith("_") or name in FIRST[:3]:
            shown[name] = value
        else:
            shown[name] = redacted(name, value)
    return shown


def _traceback(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Name the traceback as such. It has lines of code and never the values of variables."""
    if "exception" in event:
        event["traceback"] = redacted_text(event.pop("exception"))
    return event


def _first_things_first(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {**{name: event[name] for name in FIRST if name in event}, **event}


def _escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Leave no line break or terminal code of somebody else's words in a line."""
    for name, value in event.items():
        if name != "traceback" and not isinstance(value, (int, float)):
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            event[name] = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    return event


def _console(_: WrappedLogger, __: str, event: EventDict) -> str:
    traceback = event.pop("traceback", None)
    at, level, logger, text = (event.pop(name, "") for name in FIRST)
    fields = "".join(f" {name}={value}" for name, value in event.items())
    line = f"{at[11:23]} {level:7} {logger}: {text}{fields}"
    return f"{line}\n{traceback}" if traceback else line


def _keys_as_words(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {re.sub(r'[\s="]', "_", name): value for name, value in event.items()}


def _level(_: WrappedLogger, name: str, event: EventDict) -> EventDict:
    event["level"] = name
    return event


DIALOGUE = "delivery.dialogue"
"""The logger of what goes over the wire; see `mailweb.lib.levels`."""

_logfmt: Callable[[WrappedLogger, str, EventDict], str] = structlog.processors.LogfmtRenderer(
    bool_as_flag=False
)
_PREPARATION: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    _level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
]
_COMMON: list[Processor] = [
    _request_in_short,
    structlog.processors.format_exc_info,
    structlog.processors.StackInfoRenderer(),
    _redact,
    _traceback,
    ProcessorFormatter.remove_processors_meta,
    _first_things_first,
]
