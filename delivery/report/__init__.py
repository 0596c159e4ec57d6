"""Reports to a sender about the delivery of a message (RFC 3464, RFC 6522, RFC 6533).

    facts.py        what a report is made from: one value for the message, one for each recipient
    dsn.py          the report as a message, of three parts
    words.py        the first part: what happened and what can be done, for people
    meaning.py      what a status code means in plain words
    fields.py       the second part: the same for programs
    escaping.py     what a stranger wrote, made safe for a header field
    original.py     the third part: the header of the message, or all of it

    data = build(Report(hostname="mail.mailweb.test", recipients=(failed, ...), ...))

Pure: values in, bytes out; no clock, no Django. Reports of others are not read here, and nothing
decides here who gets a report: that is `delivery.policy.reporting` and `delivery.notices`.
"""

from __future__ import annotations

from delivery.report.dsn import build
from delivery.report.facts import Action, RecipientReport, Report

__all__ = ["Action", "RecipientReport", "Report", "build"]
