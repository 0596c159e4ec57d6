"""The part of a report that says which message it is about: its header, or all of it."""

from __future__ import annotations

from dataclasses import dataclass

from delivery.report.facts import Action, Report

MOST_RETURNED = 1024 * 1024
MOST_OF_HEADER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A body part: its type, and its octets."""

    content_type: str
    data: bytes


def original_part(report: Report) -> Part:
    """Return the part with what may be returned of the original.

    RFC 3461 §4.3: the whole of it only in a report of failure. RFC 8689 §5: never the text of a
    message that required TLS.
    """
    if returns_all(report):
        kind = "message/global" if report.is_international else "message/rfc822"
        return Part(kind, report.original)
    header = _header(report.original)
    if report.is_international:
        return Part("message/global-headers", header)
    if header.isascii():
        return Part("text/rfc822-headers", header)
    return Part("text/rfc822-headers", header.decode("utf-8", "replace").encode("ascii", "replace"))


def returns_all(report: Report) -> bool:
    """Return whether the report encloses the whole message."""
    return (
        report.returns_content
        and not report.requires_tls
        and report.action is Action.FAILED
        and report.size_bytes <= MOST_RETURNED
        and len(report.original) == report.size_bytes
    )


def _header(original: bytes) -> bytes:
    """Return the header, cut after a whole line where it is very long."""
    header = original.partition(b"\r\n\r\n")[0] + b"\r\n"
    if len(header) <= MOST_OF_HEADER:
        return header
    return header[: header.rfind(b"\r\n", 0, MOST_OF_HEADER) + 2]
